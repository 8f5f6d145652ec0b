//! Makes a root filesystem from an archive.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["OUTPUT"], |[output], environment| {
        tar_extension::build::build(&output, environment)
    })
}
