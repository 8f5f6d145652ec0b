//! Builds systems, and deploys them as cluster files say.

use std::process::ExitCode;

use baserock_terminal::{completion, remedy};
use clap::{CommandFactory, Parser};
use morph::Arguments;

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = Arguments::parse();
    baserock_terminal::main(remedy::none, || arguments.run(std::env::vars_os().collect()))
}
