//! Makes a root filesystem from an archive.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["OUTPUT"], |[output], environment, _| {
        tar_extension::build::build(&output, environment)
    })
}
