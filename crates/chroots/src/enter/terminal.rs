//! The terminal of the command inside: one of its own, so that the caller's is not within its reach.

use std::fs::File;
use std::io::{self, Read, Write, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, getpgrp};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};
use system::error::{OrCannot, Result};

/// The terminal inside, seen from inside.
pub struct Inner {
    /// It.
    pub file: File,
    /// Its name on the host.
    pub path: PathBuf,
    standard: [bool; 3],
}

/// The terminal of the caller, and the outer end of the one inside.
pub struct Terminal {
    caller: File,
    outer: File,
    saved: Termios,
    is_foreground: bool,
    standard: [bool; 3],
    typed: Vec<u8>,
    is_gone: bool,
}

const BUFFER: usize = 1 << 14;

impl Terminal {
    /// Makes a terminal like that of the caller; `None` if none of the three standard streams is one.
    pub fn like_the_callers() -> Result<Option<(Self, Inner)>> {
        let standard = [isatty(stdin()), isatty(stdout()), isatty(stderr())];
        let Some(which) = standard.iter().position(|&is_terminal| is_terminal) else { return Ok(None) };
        let open =
            |path: &str| File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
        // The terminal that controls this process; or, if none does, the one of the stream.
        let caller = open("/dev/tty").or_else(|_| open(&format!("/proc/self/fd/{which}")));
        let caller = caller.or_cannot("open", "the terminal")?;
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let outer = File::from(outer.or_cannot("open", "/dev/ptmx")?);
        grantpt(&outer).and_then(|()| unlockpt(&outer)).or_cannot("make", "a terminal")?;
        let path = ptsname(&outer, Vec::new()).or_cannot("make", "a terminal")?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(path.into_bytes()));
        let file = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&path);
        let file = file.or_cannot("open", &path)?;
        let saved = tcgetattr(&caller).or_cannot("examine", "the terminal")?;
        tcsetattr(&file, OptionalActions::Now, &saved).or_cannot("set", &path)?;
        fcntl(&outer, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).or_cannot("set", &path)?;
        let terminal = Terminal {
            caller,
            outer,
            saved,
            is_foreground: false,
            standard,
            typed: Vec::new(),
            is_gone: false,
        };
        terminal.resize();
        Ok(Some((terminal, Inner { file, path, standard })))
    }

    /// Closes it in the process inside, and leaves the caller's terminal as it is.
    pub fn forget(self) {
        // Dropping it would end what the process outside does with it. Both descriptors end with the next program.
        std::mem::forget(self);
    }

    /// Gives the terminal inside the size of the caller's.
    pub fn resize(&self) {
        let copied = tcgetwinsize(&self.caller).and_then(|size| tcsetwinsize(&self.outer, size));
        if let Err(error) = copied {
            tracing::debug!("the size of the terminal is not known: {error}");
        }
    }

    /// Whether the command begins in the foreground. In a pipeline it waits until it reads from the terminal, because its neighbour may.
    pub fn begins_in_foreground(&self) -> bool {
        self.standard[0] && self.standard[1] && self.may_be_foreground()
    }

    /// Whether the caller's terminal gives its input to this process.
    pub fn may_be_foreground(&self) -> bool {
        match tcgetpgrp(&self.caller) {
            Ok(group) => group.as_raw_nonzero().get() == getpgrp().as_raw(),
            // It controls another session, or none: there are no jobs.
            Err(_) => true,
        }
    }

    /// Passes everything that is typed to the inside from now on, unchanged; or nothing.
    pub fn set_foreground(&mut self, foreground: bool) -> Result<()> {
        if self.is_foreground != foreground {
            let mut wanted = self.saved.clone();
            if foreground {
                self.saved = tcgetattr(&self.caller).or_cannot("examine", "the terminal")?;
                wanted = self.saved.clone();
                wanted.make_raw();
            }
            tcsetattr(&self.caller, OptionalActions::Drain, &wanted).or_cannot("set", "the terminal")?;
            self.is_foreground = foreground;
        }
        // What the caller's terminal does to output in the background is not done twice.
        let mut inside = tcgetattr(&self.outer).or_cannot("examine", "the terminal")?;
        inside.output_modes.set(OutputModes::OPOST, foreground);
        tcsetattr(&self.outer, OptionalActions::Now, &inside).or_cannot("set", "the terminal")
    }

    /// Whether it passes what is typed.
    pub fn is_foreground(&self) -> bool {
        self.is_foreground
    }

    /// What to wait for: something typed, something to show, or room for what was typed.
    pub fn waits(&self) -> (Option<BorrowedFd<'_>>, Option<(BorrowedFd<'_>, bool)>) {
        let typing = (self.is_foreground && self.typed.is_empty()).then(|| self.caller.as_fd());
        let showing = (!self.is_gone).then(|| (self.outer.as_fd(), !self.typed.is_empty()));
        (typing, showing)
    }

    /// Takes what was typed.
    pub fn take(&mut self) {
        let mut buffer = vec![0; BUFFER];
        match self.caller.read(&mut buffer) {
            Ok(0) => self.is_foreground = false,
            Ok(count) => self.typed.extend_from_slice(&buffer[..count]),
            Err(error) if is_passing(&error) => {}
            // The caller's terminal has gone. A signal tells that to everybody.
            Err(_) => self.is_foreground = false,
        }
        self.pass();
    }

    /// Passes what was typed, as far as there is room.
    pub fn pass(&mut self) {
        match self.outer.write(&self.typed) {
            Ok(count) => drop(self.typed.drain(..count)),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.typed.clear(),
        }
    }

    /// Shows what was written inside. Returns whether there was something.
    pub fn show(&mut self) -> bool {
        let mut buffer = vec![0; BUFFER];
        match self.outer.read(&mut buffer) {
            Ok(count @ 1..) => {
                if let Err(error) = self.caller.write_all(&buffer[..count]) {
                    tracing::debug!("the terminal is gone: {error}");
                }
                true
            }
            Err(error) if is_passing(&error) => false,
            // Nobody inside has it any more.
            _ => {
                self.is_gone = true;
                false
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        while self.show() {}
        if let Err(error) = self.set_foreground(false) {
            tracing::debug!("{error}");
        }
    }
}

impl Inner {
    /// Puts it where the caller's terminal is among the standard streams.
    pub fn become_standard(&self) -> Result<()> {
        let [input, output, errors] = self.standard;
        let put = || -> nix::Result<()> {
            if input {
                dup2_stdin(&self.file)?;
            }
            if output {
                dup2_stdout(&self.file)?;
            }
            if errors {
                dup2_stderr(&self.file)?;
            }
            Ok(())
        };
        put().or_cannot("use", &self.path)
    }
}

/// Lets go of the streams that the command alone is to have.
pub fn let_go_of_streams() -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null").or_cannot("open", "/dev/null")?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).or_cannot("use", "/dev/null")
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
