//! Runs programs and hands over their output line by line.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use rustix::io::fcntl_dupfd_cloexec;

use super::Program;
use crate::error::{Error, OrCannot, Result};
use crate::signal;
use crate::sys;

/// The stream of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
    /// The descriptor for logs.
    Log,
}

/// A stream that is being read, with the beginning of its next line.
struct Source {
    stream: Stream,
    file: Option<File>,
    line: Vec<u8>,
}

/// The time that one look for output waits, in milliseconds.
const LOOK: u16 = 50;

/// The interval at which a program that has closed its output is checked for its end.
const INTERVAL: Duration = Duration::from_millis(5);

/// The number of reads after a program's end. They empty even full pipes.
const READS_AFTER_END: u32 = 1000;

/// The time that a program has to clean up before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first number after those of the standard streams.
const FIRST: RawFd = 3;

/// The longest line that is not split, in bytes.
const LONGEST: usize = 1 << 16;

impl Program {
    /// Runs it with exactly these variables.
    #[must_use]
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.command.env_clear().envs(variables);
        self
    }

    /// Ends it after this time if it is followed; that is an error.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs it to its end without standard input, and hands over every line as it comes. The variable `log` gives it the number of a
    /// descriptor for logs, if it is to have one, and lines from there are handed over, too. A signal to this process ends it.
    ///
    /// A process that it leaves behind is not waited for, even if that has the output open.
    pub fn follow(mut self, log: Option<&str>, each: &mut dyn FnMut(Stream, &str)) -> Result<ExitStatus> {
        let (mut reader, mut writer) = (None, None);
        if let Some(log) = log {
            let (from, to) = pipe2(OFlag::O_CLOEXEC).or_cannot("make a pipe for", &self.name)?;
            let number = log_number().or_cannot("make a pipe for", &self.name)?;
            sys::child::begin_with_descriptor(&mut self.command, &to, number);
            self.command.env(log, number.to_string());
            (reader, writer) = (Some(from), Some(to));
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own can be ended as a whole. At a terminal such a group could not ask for a passphrase, and ^C reaches all
        // processes anyway.
        let grouped = !io::stdin().is_terminal();
        if grouped {
            self.command.process_group(0);
        }
        let mut child = self.command.spawn().map_err(|error| self.cannot_start(error))?;
        drop(writer);
        let mut sources = [
            Source::new(Stream::Output, child.stdout.take().map(OwnedFd::from)),
            Source::new(Stream::Error, child.stderr.take().map(OwnedFd::from)),
            Source::new(Stream::Log, reader),
        ];
        let (begun, limit, name) = (Instant::now(), self.limit, &self.name);
        let outcome = read_to_end(&mut child, &mut sources, each, &|| match limit {
            Some(limit) if begun.elapsed() >= limit => {
                Err(Error::refused(format!("{name} has not ended within {} s", limit.as_secs())))
            }
            _ => signal::check(),
        });
        if outcome.is_err() {
            end(&mut child, grouped);
        }
        let status = outcome?;
        // On ^C the terminal signals the child as well. The error is then the interruption of this process.
        signal::check().map(|()| status)
    }
}

/// The number of the descriptor for logs, the same for all programs that are followed. A file that nobody uses holds it in this process, so it is
/// no other descriptor's. A program that asks for it early gets one with a single digit: some shells know no others.
pub fn log_number() -> io::Result<RawFd> {
    static HELD: Mutex<Option<OwnedFd>> = Mutex::new(None);
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = &*held {
        return Ok(held.as_raw_fd());
    }
    let unused = File::open("/dev/null")?;
    Ok(held.insert(fcntl_dupfd_cloexec(&unused, FIRST)?).as_raw_fd())
}

impl Source {
    fn new(stream: Stream, fd: Option<OwnedFd>) -> Self {
        Source { stream, file: fd.map(File::from), line: Vec::new() }
    }

    /// Reads the output that is there. Closes the stream at its end.
    fn read(&mut self, each: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let mut buffer = [0; 8192];
        match self.file.as_mut().map_or(Ok(0), |file| file.read(&mut buffer)) {
            Ok(0) => {
                self.file = None;
                self.finish(each);
            }
            Ok(count) => buffer[..count].iter().for_each(|&byte| self.take(byte, each)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take(&mut self, byte: u8, each: &mut dyn FnMut(Stream, &str)) {
        match byte {
            b'\n' => {
                each(self.stream, &String::from_utf8_lossy(&self.line));
                self.line.clear();
            }
            // A progress bar draws its line again and again.
            b'\r' => self.finish(each),
            _ => self.line.push(byte),
        }
        if self.line.len() >= LONGEST {
            self.finish(each);
        }
    }

    fn finish(&mut self, each: &mut dyn FnMut(Stream, &str)) {
        if !self.line.is_empty() {
            each(self.stream, &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

fn read_to_end(
    child: &mut Child,
    sources: &mut [Source],
    each: &mut dyn FnMut(Stream, &str),
    check: &dyn Fn() -> Result<()>,
) -> Result<ExitStatus> {
    let mut reads_left = READS_AFTER_END;
    loop {
        check()?;
        let ended = child.try_wait().or_cannot("wait for", "a program")?;
        let read = read_ready(sources, each).or_cannot("read the output of", "a program")?;
        match ended {
            Some(_) if read && reads_left > 0 => reads_left -= 1,
            Some(status) => {
                for source in sources.iter_mut() {
                    source.finish(each);
                }
                return Ok(status);
            }
            None if sources.iter().all(|source| source.file.is_none()) => sleep(INTERVAL),
            _ => {}
        }
    }
}

/// Waits a moment and reads the output that has come. Returns whether there was any.
fn read_ready(sources: &mut [Source], each: &mut dyn FnMut(Stream, &str)) -> io::Result<bool> {
    let open: Vec<&mut Source> = sources.iter_mut().filter(|source| source.file.is_some()).collect();
    if open.is_empty() {
        return Ok(false);
    }
    let mut waiting: Vec<PollFd<'_>> = open
        .iter()
        .filter_map(|source| source.file.as_ref())
        .map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN))
        .collect();
    match poll(&mut waiting, PollTimeout::from(LOOK)) {
        Ok(0) | Err(nix::Error::EINTR) => return Ok(false),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = waiting.iter().map(|fd| fd.any().unwrap_or(false)).collect();
    for (source, _) in open.into_iter().zip(ready).filter(|(_, ready)| *ready) {
        source.read(each)?;
    }
    Ok(true)
}

/// Asks a program to clean up and end, and kills it if it does not. If it has its own group, this reaches the whole group.
fn end(child: &mut Child, grouped: bool) {
    let pid = Pid::from_raw(child.id().cast_signed());
    let whom = if grouped { Pid::from_raw(-pid.as_raw()) } else { pid };
    let send = |signal: Signal| {
        if let Err(error) = kill(whom, signal) {
            tracing::debug!("cannot send {signal} to process {pid}: {error}");
        }
    };
    send(Signal::SIGTERM);
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            send(Signal::SIGKILL);
        }
        sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn follow(script: &str) -> (ExitStatus, Vec<(Stream, String)>) {
        let mut lines = Vec::new();
        let program =
            Program::new("/bin/sh").args(["-c", script]).environment([("WORD", "given"), ("PATH", "/bin")]);
        let status =
            program.follow(Some("LOG"), &mut |stream, line| lines.push((stream, line.to_owned()))).unwrap();
        (status, lines)
    }

    #[test]
    fn lines_come_from_every_stream() {
        let (status, lines) =
            follow("echo $WORD; echo bad >&2; echo detail >/dev/fd/$LOG; printf 'a\\rb'; exit 3");
        assert_eq!(status.code(), Some(3));
        for expected in [
            (Stream::Output, "given"),
            (Stream::Error, "bad"),
            (Stream::Log, "detail"),
            (Stream::Output, "a"),
            (Stream::Output, "b"),
        ] {
            assert!(lines.contains(&(expected.0, expected.1.to_owned())), "{lines:?}");
        }
    }

    #[test]
    fn there_is_nothing_to_read_and_no_other_variable() {
        let (status, lines) = follow("cat; env");
        assert!(status.success());
        let mut names: Vec<&str> = lines.iter().filter_map(|(_, line)| line.split('=').next()).collect();
        names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["LOG", "PATH", "WORD"]);
    }

    #[test]
    fn what_is_left_behind_is_not_waited_for() {
        let start = Instant::now();
        let (status, lines) = follow("sleep 30 & echo pid $!");
        assert!(status.success() && start.elapsed() < Duration::from_secs(10));
        let pid = lines[0].1.strip_prefix("pid ").unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let start = Instant::now();
        let program = Program::new("/bin/sh").args(["-c", "echo pid $$; sleep 77 | cat"]);
        let mut lines = Vec::new();
        let followed =
            program.limit(Duration::from_secs(1)).follow(None, &mut |_, line| lines.push(line.to_owned()));
        assert_eq!(followed.unwrap_err().to_string(), "sh has not ended within 1 s");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(lines.len(), 1, "{lines:?}");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let (_, lines) = follow("head -c 200000 /dev/zero | tr '\\0' x");
        assert_eq!(lines.iter().map(|(_, line)| line.len()).sum::<usize>(), 200_000);
        assert!(lines.len() > 1);
    }
}
