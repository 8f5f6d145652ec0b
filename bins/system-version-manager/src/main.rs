//! Lists, deploys, removes and switches versions of the system.

use std::process::ExitCode;

use baserock_terminal::completion;
use clap::{CommandFactory, Parser};
use system_version_manager::{Arguments, remedies};

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
