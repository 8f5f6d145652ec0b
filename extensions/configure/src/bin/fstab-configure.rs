//! Adds lines to /etc/fstab.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| configure::fstab::configure(&tree, environment))
}
