//! Configures network interfaces.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| {
        configure::simple_network::configure(&tree, environment)
    })
}
