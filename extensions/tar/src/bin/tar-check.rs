//! Refuses what `tar.write` cannot write.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], |[location], environment, _| {
        tar_extension::write::check(&location, environment)
    })
}
