//! `ssh-rsync.status LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], ssh_rsync::remedies, |[location], environment, show| {
        baserock_terminal::tell(&ssh_rsync::status(location.as_os_str(), environment, show)?)
    })
}
