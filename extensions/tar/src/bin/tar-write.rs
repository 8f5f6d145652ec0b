//! Writes a root filesystem to a tar archive.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE", "LOCATION"], |[tree, location], environment, _| {
        tar_extension::write::write(&tree, &location, environment)
    })
}
