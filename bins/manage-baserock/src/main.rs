//! Adds, lists, clones and removes chroots.

use std::process::ExitCode;

use clap::Parser;
use manage_baserock::{Arguments, remedies};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
