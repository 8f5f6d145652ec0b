//! Runs one extension.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use baserock::extension::Environment;
use baserock_terminal::report;
use system::dir::Dir;
use system::process::{Program, Stream};
use system::{Error, Result};

use crate::extensions;
use crate::output::Lines;
use crate::parameters::Parameters;
use crate::workspace::Workspace;

/// Runs the extensions of one deployment or build.
pub struct Runner<'a> {
    /// The definitions repository. Extensions run in its folder.
    pub repository: &'a Path,
    /// The environment of the process.
    pub environment: &'a Environment,
    /// The variables that are added to the environment.
    pub parameters: &'a Parameters,
    /// The workspace for temporary folders.
    pub workspace: &'a Workspace,
    /// Shows the output.
    pub lines: Lines<'a>,
}

/// The variable with the number of the descriptor for logs.
const LOG: &str = "MORPH_LOG_FD";

/// The beginning of a line with which an extension reports an expected failure.
const EXPECTED: &str = "ERROR: ";

/// The name of the temporary folder in the workspace.
const TEMPORARY: &str = "tmp";

impl Runner<'_> {
    /// Runs the extension with these arguments, in the folder of the repository. It gets a temporary folder of its own.
    pub fn run(&self, extension: &Path, arguments: &[&OsStr]) -> Result<()> {
        self.say_that_it_runs(extension);
        self.follow(extension, extensions::program(extension)?, arguments, &mut |line| self.show_output(line))
    }

    /// Runs the extension without a word, and returns what it prints.
    pub fn ask(&self, extension: &Path, arguments: &[&OsStr]) -> Result<String> {
        let mut printed = String::new();
        self.follow(extension, extensions::program(extension)?, arguments, &mut |line| {
            printed.push_str(line);
            printed.push('\n');
        })?;
        Ok(printed)
    }

    /// Runs the extension that gives the system to the user. What it makes is for whom the user's umask lets it be.
    pub fn hand_over(&self, extension: &Path, arguments: &[&OsStr]) -> Result<()> {
        self.say_that_it_runs(extension);
        let program = extensions::program(extension)?.umask_of_caller();
        self.follow(extension, program, arguments, &mut |line| self.show_output(line))
    }

    fn say_that_it_runs(&self, extension: &Path) {
        self.lines.say(&format!("running {}", self.shown(extension)));
    }

    /// The extension's name for the user.
    fn shown(&self, extension: &Path) -> String {
        extension.strip_prefix(self.repository).unwrap_or(extension).display().to_string()
    }

    fn follow(
        &self,
        extension: &Path,
        program: Program,
        arguments: &[&OsStr],
        output: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let shown = self.shown(extension);
        let temporary = self.workspace.folder(TEMPORARY, 0o700)?;
        let program =
            program.args(arguments).current_dir(self.repository).environment(self.variables(&temporary));
        let (mut expected, mut last) = (None, None);
        let status = program.follow(Some(LOG), &mut |stream, line| {
            match stream {
                Stream::Output => output(line),
                Stream::Error => self.lines.complain(line),
                Stream::Log => self.show_log(line),
            }
            match line.strip_prefix(EXPECTED) {
                Some(words) => expected = Some(words.to_owned()),
                None if stream == Stream::Error && !line.trim().is_empty() => {
                    last = Some(line.trim().to_owned());
                }
                None => {}
            }
        });
        self.lines.end_progress();
        let status = status?;
        remove(&temporary)?;
        if status.success() {
            return Ok(());
        }
        let end = match status.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => format!("was ended by {status}"),
        };
        Err(Error::refused(match expected.or(last) {
            Some(words) => format!("{shown} {end}: {words}"),
            None => format!("{shown} {end} and said nothing"),
        }))
    }

    fn show_output(&self, line: &str) {
        self.lines.end_progress();
        self.lines.say(line);
    }

    fn show_log(&self, line: &str) {
        match report::parse(line) {
            Some((done, total)) => self.lines.progress(done, total),
            None => self.lines.log(line),
        }
    }

    fn variables(&self, temporary: &Path) -> Vec<(OsString, OsString)> {
        let own = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
        let process = self.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let private = (OsString::from("TMPDIR"), temporary.as_os_str().to_owned());
        process.chain(self.parameters.iter().map(own)).chain([private]).collect()
    }
}

fn remove(folder: &Path) -> Result<()> {
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) => Dir::open(parent)?.remove_tree(name),
        _ => Ok(()),
    }
}
