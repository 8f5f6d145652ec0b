//! `rawdisk.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        rawdisk::remedies,
        |[tree, location], environment, show| {
            rawdisk::write(tree.as_ref(), location.as_ref(), environment, show)
        },
    )
}
