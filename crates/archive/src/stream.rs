//! Reads ahead: one thread reads and decompresses the archive while another writes files.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;
use std::time::Duration;

use system::signal;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Most chunks that wait. This limits the memory.
const AHEAD: usize = 8;

/// How often signals are checked while nothing arrives.
const LOOK: Duration = Duration::from_millis(100);

/// The bytes of an archive, as contiguous slices.
pub struct Stream<'a> {
    current: Vec<u8>,
    position: usize,
    filled: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
    ended: bool,
    arrived: u64,
    allow: Allow<'a>,
}

/// Refuses, when so many bytes have come in all.
pub type Allow<'a> = Box<dyn Fn(u64) -> io::Result<()> + 'a>;

impl<'a> Stream<'a> {
    /// Starts to read.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send + 'scope>> + Send + 'scope,
        allow: Allow<'a>,
    ) -> Self {
        let (fill, filled) = sync_channel(AHEAD);
        let (used, reuse) = channel();
        scope.spawn(move || {
            if let Err(error) = open().and_then(|reader| read_ahead(reader, &fill, &reuse)) {
                // If unpacking has failed meanwhile, the error is not received.
                drop(fill.send(Err(error)));
            }
        });
        Stream { current: Vec::new(), position: 0, filled, used, ended: false, arrived: 0, allow }
    }

    /// The bytes that are ready, at least one; empty only at the end.
    pub fn some(&mut self) -> io::Result<&[u8]> {
        if self.position == self.current.len()
            && let Some(next) = self.next_chunk()?
        {
            self.position = 0;
            drop(self.used.send(std::mem::replace(&mut self.current, next)));
        }
        Ok(&self.current[self.position..])
    }

    /// At least `count` bytes in one slice; fewer only at the end.
    pub fn at_least(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.current.len() - self.position < count {
            self.current.drain(..self.position);
            self.position = 0;
            while self.current.len() < count
                && let Some(next) = self.next_chunk()?
            {
                self.current.extend_from_slice(&next);
            }
        }
        Ok(&self.current[self.position..])
    }

    /// Moves past `count` of the bytes that were returned last.
    pub fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.current.len());
    }

    /// Moves past `count` bytes. Returns whether there were so many.
    pub fn skip(&mut self, mut count: u64) -> io::Result<bool> {
        while count > 0 {
            let available = self.some()?.len();
            if available == 0 {
                return Ok(false);
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(available);
            self.consume(step);
            count -= step as u64;
        }
        Ok(true)
    }

    /// Reads the rest and drops it, so that the reader below sees every byte. Returns whether it was nothing but zeros.
    pub fn drain(&mut self) -> io::Result<bool> {
        let mut zeros = true;
        loop {
            let rest = self.some()?;
            let count = rest.len();
            if count == 0 {
                return Ok(zeros);
            }
            zeros = zeros && rest.iter().all(|&byte| byte == 0);
            self.consume(count);
        }
    }

    fn next_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        loop {
            signal::check().map_err(io::Error::other)?;
            match self.filled.recv_timeout(LOOK) {
                Ok(chunk) => {
                    let chunk = chunk?;
                    self.arrived = self.arrived.saturating_add(chunk.len() as u64);
                    (self.allow)(self.arrived)?;
                    return Ok(Some(chunk));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.ended = true;
                    return Ok(None);
                }
            }
        }
    }
}

fn read_ahead(
    mut reader: Box<dyn Read + Send + '_>,
    fill: &SyncSender<io::Result<Vec<u8>>>,
    reuse: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    loop {
        let mut chunk = reuse.try_recv().unwrap_or_default();
        // Only the bytes that it did not have are cleared.
        chunk.resize(CHUNK, 0);
        let count = read_full(&mut *reader, &mut chunk)?;
        chunk.truncate(count);
        if count == 0 || fill.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// Fills the buffer. Returns the number of bytes, which is smaller only at the end.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_grow_across_chunks_and_end_where_the_archive_ends() {
        let content: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 5).collect();
        std::thread::scope(|scope| {
            let mut stream = Stream::start(scope, || Ok(Box::new(&content[..])), Box::new(|_| Ok(())));
            assert_eq!(stream.some().unwrap().len(), CHUNK);
            stream.consume(CHUNK - 3);
            let slice = stream.at_least(10).unwrap();
            assert_eq!(slice[..10], content[CHUNK - 3..CHUNK + 7]);
            assert!(stream.skip(2 * CHUNK as u64).unwrap());
            assert_eq!(stream.at_least(100).unwrap(), &content[3 * CHUNK - 3..]);
            assert!(!stream.skip(9).unwrap());
            assert!(stream.some().unwrap().is_empty());
        });
    }

    #[test]
    fn an_unfinished_stream_stops_its_thread() {
        std::thread::scope(|scope| {
            let mut stream = Stream::start(scope, || Ok(Box::new(io::repeat(0))), Box::new(|_| Ok(())));
            assert_eq!(stream.some().unwrap().len(), CHUNK);
        });
    }
}
