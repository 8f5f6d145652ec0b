//! Adds, lists, clones and removes chroots.

use std::process::ExitCode;

use baserock_terminal::completion;
use clap::{CommandFactory, Parser};
use manage_baserock::{Arguments, remedies};

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
