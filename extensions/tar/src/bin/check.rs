//! `tar.check LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], |[location], environment, _| {
        tar_extension::write::check(location.as_ref(), environment)
    })
}
