//! Merges /etc between versions of the system.

use std::process::ExitCode;

use baserock_system_config_sync::{Arguments, remedies};
use baserock_terminal::completion;
use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
