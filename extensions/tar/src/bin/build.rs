//! `tar.build OUTPUT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["OUTPUT"], |[output], environment, show| {
        tar_extension::build::build(output.as_ref(), environment, show)
    })
}
