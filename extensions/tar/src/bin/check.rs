//! `tar.check LOCATION`.

use std::process::ExitCode;

use baserock_terminal::remedy;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], remedy::none, |[location], environment, _| {
        tar_extension::write::check(location.as_ref(), environment)
    })
}
