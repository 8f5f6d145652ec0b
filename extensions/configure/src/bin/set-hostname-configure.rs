//! Gives the system its name.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::hostname::configure(&tree, environment)
    })
}
