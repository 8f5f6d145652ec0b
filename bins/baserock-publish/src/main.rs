//! Publishes versions in a repository.

use std::process::ExitCode;

use baserock_publish::{Arguments, remedies};
use baserock_terminal::completion;
use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
