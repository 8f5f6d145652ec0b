//! Enters a chroot, or an installed version of the system.

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use enter_baserock::{Arguments, remedies};

/// The exit code for a failure of this tool itself, as for `chroot` and `env`.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(shown) => {
            let failed = shown.use_stderr();
            let _closed = shown.print();
            return ExitCode::from(if failed { OWN_FAILURE } else { 0 });
        }
    };
    let Err(failure) = arguments.run();
    let code = failure.exit_code();
    let line = baserock_terminal::remedy::line(&failure.into_error(), remedies);
    // If standard error is closed, nobody can be told.
    let _closed = writeln!(stderr(), "enter-baserock: {line}");
    ExitCode::from(code)
}
