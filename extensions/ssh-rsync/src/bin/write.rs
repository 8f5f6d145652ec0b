//! `ssh-rsync.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

use baserock_terminal::attention;
use ssh_rsync::Written;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        ssh_rsync::remedies,
        |[tree, location], environment, show| {
            let written = ssh_rsync::write(&tree, location.as_os_str(), environment, show)?;
            Ok(if written == Written::Held { attention() } else { ExitCode::SUCCESS })
        },
    )
}
