//! The common edge of all programs: how they begin, show events, and end.
//!
//! Results go to standard output; progress, findings and errors go to standard error. The exit code is 0 for success, 1 for a failure, 2
//! for wrong usage, and 128 + n if signal n ended the program.
//!
//! A program:
//!
//! ```no_run
//! use baserock_terminal::{Output, Show, print, remedy};
//! use system::observer::Observer;
//!
//! fn main() -> std::process::ExitCode {
//!     baserock_terminal::main(remedy::none, || {
//!         let observer: &dyn Observer = &Show::new(Output::Errors);
//!         observer.phase("counting to one");
//!         print("1\n")
//!     })
//! }
//! ```

mod bar;
pub mod color;
pub mod completion;
mod harmless;
pub mod help;
mod log;
pub mod manners;
mod pager;
pub mod remedy;
pub mod report;
mod show;
mod steps;
mod table;
mod user;
pub mod volume;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use anyhow::Result;
use baserock::extension::{Environment, error_line};
use baserock::json::{self, Format};
use serde::Serialize;
use system::Error;
use system::error::OrCannot;

pub use bar::{Bars, has_utf8};
pub use color::Meaning;
pub use harmless::harmless;
pub use manners::Manners;
pub use pager::page;
pub use remedy::Remedies;
pub use show::{Output, Show};
pub use steps::steps;
pub use table::table;
pub use user::user;
pub use volume::VolumeArguments;

/// Runs a program. A signal ends it in order, an error becomes one line with its remedy, and a closed pipe is a quiet success. A
/// program that succeeds may have an exit code of its own.
pub fn main<T: Termination>(remedies: Remedies, run: impl FnOnce() -> Result<T>) -> ExitCode {
    system::umask::set_aside();
    log::start(None);
    match system::signal::catch().map_err(anyhow::Error::from).and_then(|()| run()) {
        Ok(done) => done.report(),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, remedies);
            ExitCode::from(error.downcast_ref().map_or(1, system::Error::exit_code))
        }
    }
}

/// The exit code of a program that has done its work, when somebody should look at something.
pub fn attention() -> ExitCode {
    ExitCode::from(3)
}

/// Writes results to standard output.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

fn report(error: &anyhow::Error, remedies: Remedies) {
    let (program, words) = (format!("{}:", program()), remedy::chain(error, remedies));
    let _gone = writeln!(anstream::stderr(), "{} {}", Meaning::Bad.paint(&program), harmless(&words));
}

/// Shows a line of progress, unless the user wants none. If the reader of the output goes away, the work goes on.
pub fn say(text: &str) {
    if manners::manners().is_quiet() {
        return;
    }
    let _gone = writeln!(anstream::stdout(), "{}", color::line(&harmless(text)));
}

/// Shows a line of an error or a warning.
pub fn complain(text: &str) {
    let _gone = writeln!(anstream::stderr(), "{}", color::line(&harmless(text)));
}

/// The name under which this program was started.
fn program() -> String {
    let path = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Runs an extension. Its arguments have fixed positions, and its parameters come from the environment. It shows lines on standard output.
/// An expected failure is shown as `ERROR: …`, with exit code 1.
pub fn extension<const N: usize, T: Termination>(
    names: [&str; N],
    remedies: Remedies,
    run: impl FnOnce([PathBuf; N], &Environment, &Show) -> system::Result<T>,
) -> ExitCode {
    system::umask::set_aside();
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let usage = format!("usage: {} {} (parameters come from the environment)", program(), names.join(" "));
    if let Some(code) = answered(&arguments, &usage, remedies) {
        return code;
    }
    let Ok(arguments) = <[PathBuf; N]>::try_from(arguments) else {
        complain(&usage);
        return ExitCode::from(2);
    };
    let environment: Environment = std::env::vars_os().collect();
    let file = match log::wanted(&environment) {
        Ok(file) => file,
        Err(error) => return failed(&error, remedies),
    };
    let show = Show::new(Output::Lines).reporting_to(file.as_ref());
    log::start(file);
    let outcome = system::signal::catch().and_then(|()| run(arguments, &environment, &show));
    drop(show);
    outcome.map_or_else(|error| failed(&error, remedies), Termination::report)
}

/// Prints a value for the caller of an extension: one line of JSON.
pub fn tell<T: Format + Serialize>(value: &T) -> system::Result<()> {
    let line = json::line(value).map_err(io::Error::from).or_cannot("write", "standard output")?;
    print(&(line + "\n")).map_err(|error| Error::refused(format!("{error:#}")))
}

/// Answers the question for help or the version, which is the only argument; `None` if there is no such question.
pub fn answered(arguments: &[PathBuf], usage: &str, remedies: Remedies) -> Option<ExitCode> {
    match help::answer(arguments, usage) {
        Ok(None) => None,
        Ok(Some(text)) => {
            // If nobody reads the answer, nobody misses it.
            let _gone = print(&text);
            Some(ExitCode::SUCCESS)
        }
        Err(error) => Some(failed(&error, remedies)),
    }
}

fn failed(error: &system::Error, remedies: Remedies) -> ExitCode {
    complain(&error_line(&remedy::line(error, remedies)));
    ExitCode::from(error.exit_code())
}
