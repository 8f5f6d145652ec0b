//! The bytes of a source as they come, with a look ahead.

use std::io::{self, BufRead, Read};

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// A buffered reader that can be asked for a number of bytes without moving past them.
pub struct Input<'a> {
    source: Box<dyn Read + Send + 'a>,
    buffer: Vec<u8>,
    position: usize,
    length: usize,
}

impl<'a> Input<'a> {
    /// Reads from a source.
    pub fn new(source: impl Read + Send + 'a) -> Self {
        Input { source: Box::new(source), buffer: vec![0; BUFFER], position: 0, length: 0 }
    }

    /// The next `count` bytes, even if a network gives fewer at a time. They are fewer only at the end.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.length - self.position < count {
            self.buffer.copy_within(self.position..self.length, 0);
            self.length -= self.position;
            self.position = 0;
            while self.length < count && self.fill()? > 0 {}
        }
        Ok(&self.buffer[self.position..self.length])
    }

    /// Moves past the zeros that come next. Returns whether anything follows them.
    pub fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.fill_buf()?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let zeros = bytes.iter().position(|&byte| byte != 0);
            let count = zeros.unwrap_or(bytes.len());
            self.consume(count);
            if zeros.is_some() {
                return Ok(true);
            }
        }
    }

    /// Moves to the end.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.fill_buf()?.len() {
                0 => return Ok(()),
                count => self.consume(count),
            }
        }
    }

    /// Moves past `count` bytes. It is an error if there are fewer.
    pub fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let available = self.fill_buf()?.len();
            if available == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(available);
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.source.read(&mut self.buffer[self.length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.length += count;
                    return Ok(count);
                }
            }
        }
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.length {
            (self.position, self.length) = (0, 0);
            self.fill()?;
        }
        Ok(&self.buffer[self.position..self.length])
    }

    fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.length);
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
