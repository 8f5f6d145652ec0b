//! Parts of one file. Each is asked for as a single range. A server without ranges sends the whole file, of which the parts are taken.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use system::error::{Error, OrCannot, Result};

use crate::attempts::Attempts;
use crate::connection::{Answer, Connection, Message};
use crate::failure::{Failure, Patience};
use crate::server::Part;
use crate::source::Source;

/// A file of which parts are read. Nothing proves that all parts are of the same file: whoever reads them knows their hashes.
pub struct Parts {
    place: Place,
    /// Where the next byte is, and where the part ends.
    at: u64,
    end: u64,
}

enum Place {
    File(File, PathBuf),
    Server(Box<Remote>),
}

/// A file on a server.
struct Remote {
    url: String,
    patience: Patience,
    stream: Option<Stream>,
    attempts: Attempts,
    validator: Option<String>,
    /// Whether the server sends the whole file for a part.
    is_without_ranges: bool,
    requests: u64,
}

/// An answer that is being read.
struct Stream {
    connection: Connection,
    piece: Vec<u8>,
    taken: usize,
    /// Where its next byte is in the file.
    at: u64,
}

/// It is shorter to read on than to ask anew if no more bytes than this are between two parts.
const NEAR: u64 = 64 << 10;

impl Parts {
    /// The file of this source; the standard input is none.
    pub fn open(source: &Source, patience: Patience) -> Result<Self> {
        let place = match source {
            Source::Path(path) => Place::File(File::open(path).or_cannot("open", path)?, path.clone()),
            Source::Url(url) => Place::Server(Box::new(Remote {
                url: url.clone(),
                patience,
                stream: None,
                attempts: Attempts::default(),
                validator: None,
                is_without_ranges: false,
                requests: 0,
            })),
            Source::Input => return Err(Error::refused("the standard input cannot be read in parts")),
        };
        Ok(Parts { place, at: 0, end: 0 })
    }

    /// What is read next: the bytes of this part, and then the end.
    pub fn seek(&mut self, part: Range<u64>) -> Result<()> {
        if let Place::File(file, path) = &mut self.place {
            file.seek(SeekFrom::Start(part.start)).or_cannot("read", path)?;
        }
        (self.at, self.end) = (part.start, part.end);
        Ok(())
    }

    /// The number of requests so far.
    pub fn requests(&self) -> u64 {
        match &self.place {
            Place::File(..) => 0,
            Place::Server(remote) => remote.requests,
        }
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        if most == 0 {
            return Ok(0);
        }
        let count = match &mut self.place {
            Place::File(file, _) => file.read(&mut buffer[..most])?,
            Place::Server(remote) => {
                remote.read(self.at..self.end, &mut buffer[..most]).map_err(io::Error::other)?
            }
        };
        self.at += count as u64;
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    }
}

impl Remote {
    /// Reads some of the first bytes of the part.
    fn read(&mut self, part: Range<u64>, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let stream = match self.stream.take() {
                Some(stream) if self.leads_to(&stream, part.start) => stream,
                _ => match self.ask(&part)? {
                    Some(stream) => stream,
                    None => continue,
                },
            };
            let Stream { connection, piece, taken, at } = stream;
            let there = (piece.len() - taken) as u64;
            let skipped = usize::try_from((part.start - at).min(there)).unwrap_or(usize::MAX);
            let (taken, at) = (taken + skipped, at + skipped as u64);
            if taken < piece.len() {
                let count = buffer.len().min(piece.len() - taken);
                buffer[..count].copy_from_slice(&piece[taken..taken + count]);
                self.attempts.start_over();
                self.stream = Some(Stream { connection, piece, taken: taken + count, at: at + count as u64 });
                return Ok(count);
            }
            match connection.receive()? {
                Message::Piece(piece) => self.stream = Some(Stream { connection, piece, taken: 0, at }),
                Message::End => self.failed(Failure::passing("the connection ended early"), at)?,
                Message::Failed(failure) => self.failed(failure, at)?,
                Message::Whole(_) | Message::Answer(_) => {
                    return Err(Failure::lasting("the server has less than it promised").of(&self.url));
                }
            }
        }
    }

    /// Whether it is best to read this answer until the byte comes.
    fn leads_to(&self, stream: &Stream, byte: u64) -> bool {
        let distance = byte.checked_sub(stream.at);
        distance.is_some_and(|distance| distance <= NEAR || self.is_without_ranges)
    }

    /// Asks for the part. `None` if that has failed and may be tried again.
    fn ask(&mut self, part: &Range<u64>) -> Result<Option<Stream>> {
        self.requests += 1;
        let asked = Part { from: part.start, end: Some(part.end), validator: self.validator.clone() };
        let connection = Connection::start(&self.url, self.patience, Some(asked), self.requests > 1);
        match connection.receive()? {
            Message::Answer(Answer { from, .. }) if from > part.start => {
                Err(Failure::lasting("the server sends another part than it was asked for").of(&self.url))
            }
            Message::Answer(answer) => {
                self.validator = answer.validators.strong().map(str::to_owned);
                self.is_without_ranges = answer.from < part.start;
                Ok(Some(Stream { connection, piece: Vec::new(), taken: 0, at: answer.from }))
            }
            Message::Failed(failure) => self.failed(failure, part.start).map(|()| None),
            Message::Piece(_) | Message::End | Message::Whole(_) => {
                Err(Failure::lasting("the server has less than it promised").of(&self.url))
            }
        }
    }

    /// Waits before the next try, unless that has failed too often.
    fn failed(&mut self, failure: Failure, at: u64) -> Result<()> {
        if failure.passing && self.attempts.left() {
            return self.attempts.pause(&failure, self.patience);
        }
        let reason = if at > 0 { format!("{} at byte {at}", failure.reason) } else { failure.reason };
        Err(Failure::lasting(reason).of(&self.url))
    }
}
