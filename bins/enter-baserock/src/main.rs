//! Enters a chroot, or an installed version of the system.

use std::process::ExitCode;

use baserock_chroots::enter::Ended;
use baserock_terminal::completion;
use clap::{CommandFactory, Parser};
use enter_baserock::{Arguments, report};
use system::signal::die_of;

/// The exit code for a failure of this tool itself, as for `chroot` and `env`.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    completion::answer(Arguments::command);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(shown) => {
            let failed = shown.use_stderr();
            let _closed = shown.print();
            return ExitCode::from(if failed { OWN_FAILURE } else { 0 });
        }
    };
    match arguments.run() {
        Ok(Ended::Exited(code)) => ExitCode::from(code),
        Ok(Ended::Killed(number)) => {
            // The caller sees the same end. Where the signal does not end this process, the code tells of it.
            die_of(number);
            ExitCode::from(u8::try_from(128 + number).unwrap_or(OWN_FAILURE))
        }
        Err(failure) => ExitCode::from(report(&failure)),
    }
}
