//! `sshkeys.configure TEMP_ROOT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TEMP_ROOT"], |[tree], environment, show| {
        configure::ssh_keys::configure(tree.as_ref(), environment, show)
    })
}
