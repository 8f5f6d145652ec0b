//! Adds, lists, clones and removes chroots.

use std::process::ExitCode;

use clap::Parser;
use manage_baserock::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(|| arguments.run())
}
