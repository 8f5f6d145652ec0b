//! `publish.write TEMP_ROOT LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(
        ["TEMP_ROOT", "LOCATION"],
        publish_extension::remedies,
        |[tree, location], environment, show| {
            publish_extension::write(tree.as_ref(), location.as_ref(), environment, show)
        },
    )
}
