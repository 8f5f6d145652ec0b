//! Merges /etc between versions of the system.

use std::process::ExitCode;

use baserock_system_config_sync::{Arguments, remedies};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(remedies, || arguments.run())
}
