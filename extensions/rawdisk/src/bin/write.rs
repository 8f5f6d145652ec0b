//! `rawdisk.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

use baserock_terminal::attention;
use rawdisk::Written;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        rawdisk::remedies,
        |[tree, location], environment, show| {
            let written = rawdisk::write(tree.as_ref(), location.as_ref(), environment, show)?;
            Ok(if written == Written::Held { attention() } else { ExitCode::SUCCESS })
        },
    )
}
