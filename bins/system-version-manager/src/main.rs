//! Lists, deploys, removes and switches versions of the system.

use std::process::ExitCode;

use clap::Parser;
use system_version_manager::{Arguments, remedies};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
