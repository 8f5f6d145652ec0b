//! Configures network interfaces.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::simple_network::configure(&tree, environment)
    })
}
