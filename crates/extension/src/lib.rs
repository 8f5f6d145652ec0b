//! What the programs of all extensions share: arguments, environment, and how they end.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use baserock::extension::{Environment, error_line};
use baserock::{Result, signal};

/// The exit code for arguments that are not those of an extension.
const USAGE: u8 = 2;

/// Runs an extension with the arguments and the environment of the process. `names` are the names of the arguments, for the usage line.
/// An error becomes the line that the protocol asks for.
pub fn main<const N: usize>(
    names: [&str; N],
    run: impl FnOnce([PathBuf; N], &Environment) -> Result<()>,
) -> ExitCode {
    let mut arguments = std::env::args_os().map(PathBuf::from);
    let program = arguments.next().unwrap_or_default();
    let Ok(arguments) = <[PathBuf; N]>::try_from(arguments.collect::<Vec<_>>()) else {
        let program = program.file_name().unwrap_or_default().display();
        complain(&format!("usage: {program} {}", names.join(" ")));
        complain(
            "morph runs it, with its parameters in the environment; morph help-extensions tells of them",
        );
        return ExitCode::from(USAGE);
    };
    let environment = std::env::vars_os().collect();
    match signal::catch().and_then(|()| run(arguments, &environment)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error_line(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Shows a line of progress. Somebody who stops reading does not stop the work.
pub fn say(text: &str) {
    show(&mut io::stdout().lock(), text);
}

/// Shows a line that somebody should look at.
pub fn complain(text: &str) {
    show(&mut io::stderr().lock(), text);
}

/// The words of a variable that names files, as paths.
pub fn paths(text: &str) -> impl Iterator<Item = &Path> {
    text.split_whitespace().map(Path::new)
}

fn show(to: &mut dyn Write, text: &str) {
    // There is nobody left to tell.
    let _closed = writeln!(to, "{text}");
}
