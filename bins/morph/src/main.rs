//! Builds systems, and deploys them as cluster files say.

use std::process::ExitCode;

use clap::Parser;
use morph::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(|| arguments.run(std::env::vars_os().collect()))
}
