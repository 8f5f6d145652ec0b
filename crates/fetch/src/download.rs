//! A download that continues where it broke off.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use system::error::{Error, Result};
use system::signal;
use ureq::Body;
use ureq::http::Response;

use crate::attempts::{Attempts, LOOK};
use crate::failure::{self, Failure, Patience};
use crate::server;
use crate::validators::Validators;

/// Bytes read from a connection at a time, and most pieces that wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// The bytes of a URL, over as many connections as necessary.
pub struct Download {
    url: String,
    patience: Patience,
    connection: Receiver<Message>,
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

/// A message of a connection. The connection has a thread of its own, because otherwise a signal would not end the wait for a silent
/// server.
enum Message {
    Answer(Answer),
    Piece(Vec<u8>),
    /// There is no rest: the file has this size.
    Whole(u64),
    End,
    Failed(Failure),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    from: u64,
    size: Option<u64>,
    validators: Validators,
}

impl Download {
    /// Connects, and asks for the size of the file.
    pub fn start(url: &str, patience: Patience) -> Result<Self> {
        let mut download = Download {
            url: url.to_owned(),
            patience,
            connection: connect(url.to_owned(), patience, None, false),
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
            match download.receive()? {
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
                    download.connection = connect(url.to_owned(), patience, None, false);
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

    fn receive(&self) -> Result<Message> {
        let begun = Instant::now();
        // Connecting and reading have limits of their own. This limit is for everything that these do not cover.
        let limit = self.patience.0 * 3 + LOOK;
        loop {
            signal::check()?;
            match self.connection.recv_timeout(LOOK) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < limit => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(Message::Failed(Failure::passing("the server does not answer in time")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Message::Failed(Failure::passing("the connection ended early")));
                }
            }
        }
    }

    /// Handles the next message of the connection.
    fn advance(&mut self) -> Result<()> {
        match self.receive()? {
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
        let rest = validator.map(|validator| (self.at, validator.to_owned()));
        self.connection = connect(self.url.clone(), self.patience, rest, true);
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

fn connect(url: String, patience: Patience, rest: Option<(u64, String)>, again: bool) -> Receiver<Message> {
    let (send, receive) = sync_channel(WAITING);
    thread::spawn(move || {
        let rest = rest.as_ref().map(|(from, validator)| (*from, validator.as_str()));
        let end = match transfer(&url, patience, rest, again, &send) {
            Ok(()) => Message::End,
            Err(failure) => Message::Failed(failure),
        };
        // If the download was given up, the message is not received.
        drop(send.send(end));
    });
    receive
}

fn transfer(
    url: &str,
    patience: Patience,
    rest: server::Rest<'_>,
    again: bool,
    send: &SyncSender<Message>,
) -> Result<(), Failure> {
    let response = server::get(url, patience, rest)?;
    let status = response.status().as_u16();
    if status == 416 && rest.is_some() {
        // With the validator, the server says so of the same file only.
        let size =
            header(&response, "content-range").and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
        if let Some(size) = size {
            drop(send.send(Message::Whole(size)));
            return Ok(());
        }
        return Err(Failure::lasting("the server has less than it promised"));
    }
    if let Some(failure) = failure::status_failure(status) {
        let wait = header(&response, "retry-after").and_then(|text| text.trim().parse().ok());
        // One of several mirrors may not have what another one has.
        let passing = failure.passing || again;
        return Err(Failure { wait: wait.map(Duration::from_secs), passing, ..failure });
    }
    if send.send(Message::Answer(answer(&response)?)).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; PIECE];
        let count = body.read(&mut piece).map_err(|error| failure::explain(&ureq::Error::from(error)))?;
        piece.truncate(count);
        if count == 0 || send.send(Message::Piece(piece)).is_err() {
            return Ok(());
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn answer(response: &Response<Body>) -> Result<Answer, Failure> {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let [tag, modified, date] = ["etag", "last-modified", "date"].map(|name| header(response, name));
    let validators = Validators::new(tag, modified, date);
    if response.status().as_u16() != 206 {
        return Ok(Answer { from: 0, size: number(header(response, "content-length")), validators });
    }
    // `bytes FROM-TO/SIZE`
    let range =
        header(response, "content-range").and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
    let (span, size) =
        range.ok_or_else(|| Failure::lasting("the server does not say which part it sends"))?;
    let from = number(span.split('-').next())
        .ok_or_else(|| Failure::lasting("the server does not say which part it sends"))?;
    Ok(Answer { from, size: number(Some(size)), validators })
}
