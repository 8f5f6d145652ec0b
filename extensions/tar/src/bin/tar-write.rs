//! Writes a root filesystem to a tar archive.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE", "LOCATION"], |[tree, location], environment| {
        tar_extension::write::write(&tree, &location, environment)
    })
}
