//! Adds lines to /etc/fstab.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::fstab::configure(&tree, environment)
    })
}
