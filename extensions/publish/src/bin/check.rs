//! `publish.check LOCATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["LOCATION"], publish_extension::remedies, |[location], environment, _| {
        publish_extension::check(location.as_ref(), environment)
    })
}
