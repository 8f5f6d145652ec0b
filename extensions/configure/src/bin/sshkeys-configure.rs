//! Says who may log in as root.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::ssh_keys::configure(&tree, environment)
    })
}
