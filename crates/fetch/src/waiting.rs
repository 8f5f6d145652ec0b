//! Files of this machine that may be pipes: whoever waits for their bytes hears signals.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use system::signal;

/// How often signals are checked, in milliseconds.
const LOOK: u8 = 100;

/// A reader of a file or a pipe.
pub struct Waiting(File);

impl Waiting {
    /// Opens a file. A named pipe is opened before somebody writes to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_NONBLOCK.bits();
        OpenOptions::new().read(true).custom_flags(flags).open(path).map(Waiting)
    }

    /// The standard input.
    pub fn input() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Waiting(input.into()))
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Read for Waiting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            signal::check().map_err(io::Error::other)?;
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::from(LOOK)) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.0.read(buffer) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                read => return read,
            }
        }
    }
}
