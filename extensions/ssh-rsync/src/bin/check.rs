//! `ssh-rsync.check LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], |[location], environment, show| {
        ssh_rsync::check(location.as_os_str(), environment, show)
    })
}
