//! Says who may log in as root.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| {
        configure::ssh_keys::configure(&tree, environment)
    })
}
