//! Running the project's programs as they are installed: static.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use crate::advice;
pub use crate::built::path;

/// A command without the variables of this process that mean something to the programs.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(path(name));
    for variable in
        ["KERNEL_ARGS", "KERNEL_PATH", "INITRAMFS_PATH", "DTB_PATH", "ROOT_DEVICE", "DISK_SIZE", "UPGRADE"]
    {
        command.env_remove(variable);
    }
    command
}

/// What a program did.
#[derive(Debug)]
pub struct Done {
    /// Its exit code; 128 + n where signal n ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    let output = command.output().expect("the program starts");
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    Done::new(Some(&program), &output)
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Done::new(None, &output)
    }
}

impl Done {
    /// What came of a program, whose name may not be known. Its advice has to be good.
    #[track_caller]
    fn new(program: Option<&str>, output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let done = Done { code, stdout: text(&output.stdout), stderr: text(&output.stderr) };
        advice::check(program, &done.stderr);
        done
    }

    /// Its standard output, if it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Itself, if it succeeded.
    #[track_caller]
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// All of its standard error, if it failed as expected; `parts` must all stand in it.
    #[track_caller]
    pub fn failed(self, parts: &[&str]) -> String {
        assert_eq!(self.code, 1, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
        self.stderr
    }

    /// The one line of its error, if it failed as expected; `parts` must all stand in it.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) -> String {
        assert_eq!(self.code, 1, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        let line = self.stderr.lines().last().unwrap_or_default().to_owned();
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in: {line}");
        }
        line
    }
}

/// Runs another program and returns what it printed.
#[track_caller]
pub fn shell(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    run(Command::new(program).args(arguments)).ok()
}
