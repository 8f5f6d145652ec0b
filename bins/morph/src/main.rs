//! Builds systems, and deploys them as cluster files say.

use std::process::ExitCode;

use baserock_terminal::remedy;
use clap::Parser;
use morph::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    baserock_terminal::main(remedy::none, || arguments.run(std::env::vars_os().collect()))
}
