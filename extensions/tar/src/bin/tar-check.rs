//! Refuses what `tar.write` cannot write.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["LOCATION"], |[location], environment| {
        tar_extension::write::check(&location, environment)
    })
}
