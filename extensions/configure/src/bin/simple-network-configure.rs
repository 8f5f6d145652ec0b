//! `simple-network.configure TEMP_ROOT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TEMP_ROOT"], |[tree], environment, show| {
        configure::simple_network::configure(tree.as_ref(), environment, show)
    })
}
