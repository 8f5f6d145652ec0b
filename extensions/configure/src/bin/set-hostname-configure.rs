//! `set-hostname.configure TEMP_ROOT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TEMP_ROOT"], |[tree], environment, _| {
        configure::hostname::configure(tree.as_ref(), environment)
    })
}
