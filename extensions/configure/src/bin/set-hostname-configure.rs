//! Gives the system its name.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| {
        configure::hostname::configure(&tree, environment)
    })
}
