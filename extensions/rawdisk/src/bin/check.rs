//! `rawdisk.check LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], rawdisk::remedies, |[location], environment, _| {
        rawdisk::check(location.as_ref(), environment)
    })
}
