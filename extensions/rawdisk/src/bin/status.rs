//! `rawdisk.status LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], rawdisk::remedies, |[location], _, _| {
        baserock_terminal::tell(&rawdisk::status(location.as_ref())?)
    })
}
