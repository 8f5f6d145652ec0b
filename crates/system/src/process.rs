//! Starts other programs. Nothing else does.

mod follow;
mod interpreter;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use follow::{Stream, log_number};
pub use interpreter::Interpreter;

use crate::error::{Error, OrCannot, Result};
use crate::signal;
use crate::step;
use crate::sys;
use crate::umask;

/// A program to run. It runs in the C locale, its output is kept, and its standard input is empty unless [`Program::input`] gives one.
pub struct Program {
    command: Command,
    name: String,
    package: Option<&'static str>,
    input: Vec<u8>,
    limit: Option<Duration>,
}

/// The output of a program that succeeded.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A running program, with its three streams.
pub struct Conversation {
    /// The program.
    pub process: Process,
    /// Its standard input.
    pub stdin: File,
    /// Its standard output.
    pub stdout: File,
    /// Its standard error.
    pub stderr: File,
}

/// A program that was started. It is ended when this is dropped.
pub struct Process {
    child: Child,
    program: Program,
}

impl Process {
    /// Waits for its end. If it fails, the error has the last lines of `stderr`, its standard error.
    pub fn wait(mut self, stderr: &[u8]) -> Result<()> {
        let status = self.child.wait().or_cannot("wait for", &self.program.name)?;
        if status.success() { Ok(()) } else { Err(self.program.failed(status, stderr)) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            stop(&mut self.child);
        }
    }
}

/// A waiting parent looks for signals of its own at this interval, in milliseconds.
const LOOK: u16 = 100;

/// The number of lines of a failed program's standard error that are shown.
const LAST_LINES: usize = 5;

impl Program {
    /// The program at this path, or of this name in `PATH`. The system directories are added to `PATH`, because `su` leaves them out.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name.as_ref());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"))
            .env("LC_ALL", "C");
        let name =
            PathBuf::from(name.as_ref()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        Program { command, name, package: None, input: Vec::new(), limit: None }
    }

    /// Names the program's Debian package, for the error if the program is missing.
    #[must_use]
    pub fn package(mut self, package: &'static str) -> Self {
        self.package = Some(package);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the program's standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Sets its working directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Lets it begin with the umask of the caller of this program.
    #[must_use]
    pub fn umask_of_caller(mut self) -> Self {
        sys::child::begin_with_umask(&mut self.command, umask::of_caller());
        self
    }

    /// Runs it to its end. It is an error if it is missing or fails; then the error has its last words. A signal to this process ends it.
    pub fn run(self) -> Result<Output> {
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        self.spawn(stdin)?.finish()
    }

    /// Starts it. It gets its input in [`Running::finish`], so it usually begins its work only then.
    pub fn start(self) -> Result<Running> {
        self.spawn(Stdio::piped())
    }

    /// Runs it to its end on the terminal of this process, in the user's locale. Without an input it reads from the terminal too.
    pub fn on_terminal(mut self) -> Result<ExitStatus> {
        self.command.env_remove("LC_ALL").envs(std::env::var_os("LC_ALL").map(|locale| ("LC_ALL", locale)));
        let stdin = if self.input.is_empty() { Stdio::inherit() } else { Stdio::piped() };
        let mut child = self.command.stdin(stdin).spawn().map_err(|error| self.cannot_start(error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Who has seen enough closes a pager before its end.
            let _closed = stdin.write_all(&self.input);
        }
        child.wait().or_cannot("wait for", &self.name)
    }

    fn spawn(mut self, stdin: Stdio) -> Result<Running> {
        // The environment is not logged, because it may hold secrets.
        tracing::debug!("run: {} {:?}", self.name, self.command.get_args());
        let spawned = step::here("run", Path::new(&self.name))
            .and_then(|()| self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn());
        let child = spawned.map_err(|error| self.cannot_start(error))?;
        Ok(Running(Process { child, program: self }))
    }

    /// Starts it, and opens its three streams to this process. Its standard input ends when [`Conversation::stdin`] is dropped.
    pub fn converse(self) -> Result<Conversation> {
        let Running(mut process) = self.spawn(Stdio::piped())?;
        let child = &mut process.child;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(process.program.cannot_start(io::ErrorKind::BrokenPipe.into()));
        };
        let open = |fd: OwnedFd| File::from(fd);
        let (stdin, stdout, stderr) = (open(stdin.into()), open(stdout.into()), open(stderr.into()));
        Ok(Conversation { process, stdin, stdout, stderr })
    }

    /// Replaces this process by the program. Returns only if that fails.
    pub fn exec(mut self) -> Error {
        let error = self.command.exec();
        self.cannot_start(error)
    }

    fn cannot_start(&self, error: io::Error) -> Error {
        match (error.kind(), self.package) {
            (io::ErrorKind::NotFound, Some(package)) => {
                Error::NotInstalled { program: self.name.clone(), package }
            }
            (io::ErrorKind::NotFound, None) if self.path().is_some_and(Path::exists) => {
                Error::refused(format!("cannot run {}: it is there, but {} is not", self.name, self.needs()))
            }
            _ => Error::Io { action: "run".into(), path: PathBuf::from(&self.name), cause: error },
        }
    }

    /// The program's path, if it was given by one.
    fn path(&self) -> Option<&Path> {
        let path = Path::new(self.command.get_program());
        path.is_absolute().then_some(path)
    }

    /// What the kernel needs to run the program.
    fn needs(&self) -> String {
        match self.path().map(Interpreter::of) {
            Some(Ok(Some(interpreter))) => format!("its interpreter {}", interpreter.program.display()),
            _ => "the loader of its libraries".to_owned(),
        }
    }

    fn failed(&self, status: ExitStatus, stderr: &[u8]) -> Error {
        let text = String::from_utf8_lossy(stderr);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let stderr = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        Error::Program { program: self.name.clone(), status, stderr }
    }
}

/// A program that was started. It is ended when this is dropped.
pub struct Running(Process);

impl Running {
    /// Gives the program its input and waits for its end, as [`Program::run`] does.
    pub fn finish(mut self) -> Result<Output> {
        let Process { program, child } = &mut self.0;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(&program.input) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(program.cannot_start(error));
                }
                _ => {}
            }
        }
        let (stdout, stderr) = collect(child)?;
        let status = child.wait().or_cannot("wait for", &program.name)?;
        if status.success() {
            return Ok(Output { stdout, stderr });
        }
        // On ^C the terminal signals the child as well. The error is then the interruption of this process.
        signal::check()?;
        Err(program.failed(status, &stderr))
    }
}

/// Replaces this process by another program, which sees `name` as its own name and gets only these variables. Returns only if that fails.
pub fn become_program(
    path: &Path,
    name: &OsStr,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
) -> io::Error {
    let variables = environment.iter().map(|(name, value)| (name, value));
    Command::new(path).arg0(name).args(arguments).env_clear().envs(variables).exec()
}

/// The path of a program in `PATH` or the system directories; `None` if it is not installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    find_in_path(name).or_else(|| in_one_of(system.into_iter(), name))
}

/// The path of a program in `PATH`, where other programs look for it; `None` if it is not there.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    in_one_of(std::env::split_paths(&path), name)
}

fn in_one_of(mut folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}

/// Reads both streams to their ends, and looks for signals in between.
fn collect(child: &mut Child) -> Result<(Vec<u8>, Vec<u8>)> {
    let open = |fd: Option<OwnedFd>| (fd.map(File::from), Vec::new());
    let mut streams =
        [open(child.stdout.take().map(OwnedFd::from)), open(child.stderr.take().map(OwnedFd::from))];
    while streams.iter().any(|(stream, _)| stream.is_some()) {
        signal::check()?;
        read_some(&mut streams).or_cannot("read the output of", "a program")?;
    }
    let [(_, stdout), (_, stderr)] = streams;
    Ok((stdout, stderr))
}

/// Waits a moment and reads the output that has come. A stream that has ended is closed.
fn read_some(streams: &mut [(Option<File>, Vec<u8>)]) -> io::Result<()> {
    let mut waiting: Vec<PollFd<'_>> = streams
        .iter()
        .flat_map(|(stream, _)| stream)
        .map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN))
        .collect();
    match poll(&mut waiting, PollTimeout::from(LOOK)) {
        Ok(0) | Err(nix::Error::EINTR) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = waiting.iter().map(|fd| fd.any().unwrap_or(false)).collect();
    let open = streams.iter_mut().filter(|(stream, _)| stream.is_some());
    for ((stream, collected), _) in open.zip(ready).filter(|(_, ready)| *ready) {
        let mut buffer = [0; 8192];
        match stream.as_mut().map_or(Ok(0), |stream| stream.read(&mut buffer)) {
            Ok(0) => *stream = None,
            Ok(count) => collected.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends a program, because it must not go on without this process.
fn stop(child: &mut Child) {
    let pid = Pid::from_raw(child.id().cast_signed());
    if kill(pid, Signal::SIGTERM).is_ok()
        && let Err(error) = child.wait()
    {
        tracing::error!("cannot wait for process {pid}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn output_is_kept_and_input_is_given() {
        let output = shell("cat; echo problem >&2").input("words").run().unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"words"[..], &b"problem\n"[..]));
    }

    #[test]
    fn a_failure_has_the_programs_own_words() {
        let error = shell("echo no such thing >&2; exit 3").run().unwrap_err().to_string();
        assert_eq!(error, "sh failed (exit status: 3): no such thing");
    }

    #[test]
    fn a_script_without_its_interpreter_names_that() {
        let place = tempfile::tempdir().unwrap();
        let script = place.path().join("script");
        std::fs::write(&script, "#!/usr/bin/no-such-python -u\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = Program::new(&script).run().unwrap_err().to_string();
        let expected = "cannot run script: it is there, but its interpreter /usr/bin/no-such-python is not";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Program::new("mkfs.nothing").package("nothing-progs").run().unwrap_err();
        assert!(matches!(error, Error::NotInstalled { package: "nothing-progs", .. }), "{error}");
        assert_eq!(error.to_string(), "mkfs.nothing is not installed");
    }
}
