//! `ssh-rsync.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        ssh_rsync::remedies,
        |[tree, location], environment, show| {
            ssh_rsync::write(&tree, location.as_os_str(), environment, show)
        },
    )
}
