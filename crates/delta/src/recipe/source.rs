//! A stream whose next bytes can be looked at before they are taken.

use std::io::{self, BufRead, Read};

use crate::codec::invalid;

/// A stream with a buffer.
pub struct Source<R> {
    from: R,
    buffer: Vec<u8>,
    /// The first byte in the buffer that is not taken, and the number of bytes that were taken from the stream.
    at: usize,
    taken: u64,
}

/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

impl<R: Read> Source<R> {
    /// The stream from its beginning.
    pub fn new(from: R) -> Self {
        Source { from, buffer: Vec::new(), at: 0, taken: 0 }
    }

    /// The number of bytes that were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The stream, when all of it was taken.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// The next bytes: at least `least`, or all that are left.
    pub fn peek(&mut self, least: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.at < least {
            self.buffer.drain(..std::mem::take(&mut self.at));
            let before = self.buffer.len();
            (&mut self.from).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
            if self.buffer.len() == before {
                break;
            }
        }
        Ok(&self.buffer[self.at..])
    }

    /// Takes the next `length` bytes and appends them.
    pub fn take(&mut self, length: usize, to: &mut Vec<u8>) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let next = self.fill_buf()?;
            if next.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = next.len().min(left);
            to.extend_from_slice(&next[..count]);
            self.consume(count);
            left -= count;
        }
        Ok(())
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.at = self.buffer.len().min(self.at + count);
        self.taken += count as u64;
    }
}

/// The error of a stream that is no initramfs, as far as recipes know them.
pub fn unknown() -> io::Error {
    invalid("no initramfs that a recipe can describe")
}
