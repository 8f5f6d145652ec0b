//! `ssh-rsync.check LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], ssh_rsync::remedies, |[location], environment, show| {
        ssh_rsync::check(location.as_os_str(), environment, show)
    })
}
