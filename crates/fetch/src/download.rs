//! A download that continues where it broke off.

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use system::error::{Error, Result};

use crate::attempts::Attempts;
use crate::connection::{Answer, Connection, Message};
use crate::failure::{Failure, Patience};
use crate::server::Part;

/// The bytes of a URL, over as many connections as necessary.
pub struct Download {
    url: String,
    patience: Patience,
    connection: Connection,
    /// What the server says about the file, of which the bytes so far are a part.
    known: Answer,
    /// The hash of the bytes so far.
    hash: Sha256,
    /// Bytes received so far.
    at: u64,
    /// What is repeated, if the server sends what is known already.
    repeated: Option<Repeated>,
    /// Whether the next connection asks for the whole file, because its rest could be that of another file.
    whole: bool,
    piece: Vec<u8>,
    taken: usize,
    attempts: Attempts,
    ended: bool,
}

/// Known bytes that a server sends again.
struct Repeated {
    /// How many are still to come.
    left: u64,
    /// The hash of those that came, where the file has to be compared from its first byte.
    hash: Option<Sha256>,
    answer: Answer,
}

impl Download {
    /// Connects, and asks for the size of the file.
    pub fn start(url: &str, patience: Patience) -> Result<Self> {
        let mut download = Download {
            url: url.to_owned(),
            patience,
            connection: Connection::start(url, patience, None, false),
            known: Answer::default(),
            hash: Sha256::new(),
            at: 0,
            repeated: None,
            whole: true,
            piece: Vec::new(),
            taken: 0,
            attempts: Attempts::default(),
            ended: false,
        };
        loop {
            match download.connection.receive()? {
                Message::Answer(answer) if answer.from > 0 => {
                    return Err(download.failed("the server sends a part, and was asked for the whole file"));
                }
                Message::Answer(answer) => {
                    download.known = answer;
                    download.whole = false;
                    return Ok(download);
                }
                Message::Failed(failure) if failure.passing && download.attempts.left() => {
                    download.attempts.pause(&failure, patience)?;
                    download.connection = Connection::start(url, patience, None, false);
                }
                Message::Failed(failure) => return Err(failure.of(url)),
                Message::Piece(_) | Message::End | Message::Whole(_) => {
                    return Err(download.failed("the server sends nothing"));
                }
            }
        }
    }

    /// The size of the file, if the server tells it.
    pub fn size(&self) -> Option<u64> {
        self.known.size
    }

    /// Handles the next message of the connection.
    fn advance(&mut self) -> Result<()> {
        match self.connection.receive()? {
            Message::Answer(answer) => self.resumed(answer),
            Message::Piece(piece) => self.keep(piece),
            Message::End if self.is_short() => self.again(&Failure::passing("the connection ended early")),
            Message::Whole(size) if size != self.at => {
                Err(self.failed("the server has less than it promised"))
            }
            Message::Whole(_) | Message::End => {
                self.ended = true;
                Ok(())
            }
            Message::Failed(failure) => self.again(&failure),
        }
    }

    fn is_short(&self) -> bool {
        self.repeated.is_some() || self.known.size.is_some_and(|size| self.at < size)
    }

    fn keep(&mut self, piece: Vec<u8>) -> Result<()> {
        let mut new = 0;
        if let Some(repeated) = &mut self.repeated {
            new = usize::try_from(repeated.left).unwrap_or(usize::MAX).min(piece.len());
            repeated.left -= new as u64;
            if let Some(hash) = &mut repeated.hash {
                hash.update(&piece[..new]);
            }
        }
        self.compare()?;
        if piece.len() > new {
            self.attempts.start_over();
        }
        self.hash.update(&piece[new..]);
        self.at += (piece.len() - new) as u64;
        (self.piece, self.taken) = (piece, new);
        Ok(())
    }

    /// Compares what was repeated with what is known, if it has come completely.
    fn compare(&mut self) -> Result<()> {
        let Some(repeated) = self.repeated.take_if(|repeated| repeated.left == 0) else { return Ok(()) };
        if repeated.hash.is_some_and(|hash| hash.finalize() != self.hash.clone().finalize()) {
            return Err(self.failed("the file on the server changed meanwhile; run the command again"));
        }
        // All that follows belongs to what was compared, even if another server calls it by another name.
        self.known = Answer { size: repeated.answer.size.or(self.known.size), ..repeated.answer };
        self.whole = false;
        Ok(())
    }

    /// Handles the answer to a new connection. A rest is taken only if it is certainly of the same file; a whole file is compared with the
    /// bytes that are known.
    fn resumed(&mut self, answer: Answer) -> Result<()> {
        let sizes = (answer.size, self.known.size);
        if answer.from > 0 {
            let same = answer.validators.are_those_of(&self.known.validators)
                && !matches!(sizes, (Some(one), Some(other)) if one != other);
            if !same || self.whole || answer.from > self.at {
                self.whole = true;
                return self.again(&Failure::passing("the server sends another part than it was asked for"));
            }
        } else if answer.size.is_some_and(|size| size < self.at) {
            return Err(self.failed("the file on the server changed meanwhile; run the command again"));
        }
        let hash = (answer.from == 0).then(Sha256::new);
        self.repeated = Some(Repeated { left: self.at - answer.from, hash, answer });
        self.compare()
    }

    /// Connects again, unless that has failed too often.
    fn again(&mut self, failure: &Failure) -> Result<()> {
        let place = match self.known.size {
            Some(size) => format!("after {} of {size} bytes", self.at),
            None => format!("after {} bytes", self.at),
        };
        if !failure.passing || !self.attempts.left() {
            return Err(Failure::lasting(format!("{} {place}", failure.reason)).of(&self.url));
        }
        self.attempts.pause(failure, self.patience)?;
        self.repeated = None;
        let validator = self.known.validators.strong().filter(|_| self.at > 0 && !self.whole);
        let rest = validator.map(|validator| Part {
            from: self.at,
            end: None,
            validator: Some(validator.to_owned()),
        });
        self.connection = Connection::start(&self.url, self.patience, rest, true);
        Ok(())
    }

    fn failed(&self, reason: &str) -> Error {
        Failure::lasting(reason).of(&self.url)
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() && !self.ended {
            self.advance().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.piece.len() - self.taken);
        buffer[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
