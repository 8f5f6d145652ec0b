//! `tar.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

use baserock_terminal::remedy;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        remedy::none,
        |[tree, location], environment, show| {
            tar_extension::write::write(tree.as_ref(), location.as_ref(), environment, show)
        },
    )
}
