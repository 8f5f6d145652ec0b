//! What the process outside and the first one inside say to each other.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use system::error::{OrCannot, Result};

/// One end.
pub struct Link(OwnedFd);

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// To the inside: begin, or go on after a stop; in the foreground of the terminal, or not.
    Go(bool),
    /// To the inside: this signal came.
    Signal(i32),
    /// To the outside: this signal stopped the command.
    Stopped(i32),
    /// To the outside: the command ended with this code.
    Exited(i32),
    /// To the outside: this signal ended the command.
    Killed(i32),
}

const SIZE: usize = 5;

impl Link {
    /// Both ends.
    pub fn pair() -> Result<(Self, Self)> {
        let ends = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (one, other) = ends.or_cannot("connect", "two processes")?;
        Ok((Link(one), Link(other)))
    }

    /// Says the word. It is no error if the other end is gone.
    pub fn say(&self, word: Word) -> Result<()> {
        let (kind, number) = match word {
            Word::Go(foreground) => (0, i32::from(foreground)),
            Word::Signal(number) => (1, number),
            Word::Stopped(number) => (2, number),
            Word::Exited(number) => (3, number),
            Word::Killed(number) => (4, number),
        };
        let mut bytes = [kind; SIZE];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        match send(self.0.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(error) => Err(error).or_cannot("write to", "the other process"),
        }
    }

    /// The next word; `None` if the other end is gone.
    pub fn hear(&self) -> Result<Option<Word>> {
        let mut bytes = [0; SIZE];
        let count = loop {
            match recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => break 0,
                other => break other.or_cannot("read from", "the other process")?,
            }
        };
        let [kind, number @ ..] = bytes;
        let number = i32::from_le_bytes(number);
        Ok(match (count, kind) {
            (SIZE, 0) => Some(Word::Go(number != 0)),
            (SIZE, 1) => Some(Word::Signal(number)),
            (SIZE, 2) => Some(Word::Stopped(number)),
            (SIZE, 3) => Some(Word::Exited(number)),
            (SIZE, 4) => Some(Word::Killed(number)),
            _ => None,
        })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
