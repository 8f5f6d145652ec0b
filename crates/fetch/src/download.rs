//! A download that continues where it broke off.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use system::error::{Error, Result};
use system::signal;
use ureq::Body;
use ureq::http::Response;

use crate::server::{self, Failure, Patience};

/// Most tries in a row that bring no new byte.
const TRIES: u32 = 4;

/// The pause before the first new try. It doubles with each try, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How often signals are checked.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes read from a connection at a time, and most pieces that wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// The bytes of a URL, over as many connections as necessary.
pub struct Download {
    url: String,
    patience: Patience,
    connection: Receiver<Message>,
    /// The `ETag` of the file, or the time of its last change. It tells this file from a newer one of the same name.
    validator: Option<String>,
    size: Option<u64>,
    /// Bytes received so far.
    at: u64,
    /// Bytes to skip, because the server starts from the beginning again.
    repeated: u64,
    piece: Vec<u8>,
    taken: usize,
    tries: u32,
    ended: bool,
}

/// A message of a connection. The connection has a thread of its own, because otherwise a signal would not end the wait for a silent
/// server.
enum Message {
    Answer(Answer),
    Piece(Vec<u8>),
    End,
    Failed(Failure),
}

struct Answer {
    from: u64,
    size: Option<u64>,
    validator: Option<String>,
}

impl Download {
    /// Connects, and asks for the size of the file.
    pub fn start(url: &str, patience: Patience) -> Result<Self> {
        let mut download = Download {
            url: url.to_owned(),
            patience,
            connection: connect(url.to_owned(), patience, 0, None),
            validator: None,
            size: None,
            at: 0,
            repeated: 0,
            piece: Vec::new(),
            taken: 0,
            tries: 0,
            ended: false,
        };
        match download.receive()? {
            Message::Answer(answer) => {
                download.size = answer.size;
                download.validator = answer.validator;
                Ok(download)
            }
            Message::Failed(failure) => Err(failure.of(url)),
            Message::Piece(_) | Message::End => Err(download.silent()),
        }
    }

    /// The size of the file, if the server tells it.
    pub fn size(&self) -> Option<u64> {
        self.size
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

    fn silent(&self) -> Error {
        Failure::passing("the server sends nothing").of(&self.url)
    }

    /// Handles the next message of the connection.
    fn advance(&mut self) -> Result<()> {
        match self.receive()? {
            Message::Answer(answer) => self.resumed(&answer),
            Message::Piece(piece) => {
                self.keep(piece);
                Ok(())
            }
            Message::End if self.size.is_some_and(|size| self.at < size) => {
                self.again(&Failure::passing("the connection ended early"))
            }
            Message::End => {
                self.ended = true;
                Ok(())
            }
            Message::Failed(failure) => self.again(&failure),
        }
    }

    fn keep(&mut self, piece: Vec<u8>) {
        let repeated = usize::try_from(self.repeated).unwrap_or(usize::MAX).min(piece.len());
        self.repeated -= repeated as u64;
        self.taken = repeated;
        self.at += (piece.len() - repeated) as u64;
        if piece.len() > repeated {
            self.tries = 0;
        }
        self.piece = piece;
    }

    /// Handles the answer to a new connection. If the server starts from the beginning, the bytes that are known are skipped.
    fn resumed(&mut self, answer: &Answer) -> Result<()> {
        if answer.size != self.size || (answer.validator.is_some() && answer.validator != self.validator) {
            return Err(self.failed("the file on the server changed meanwhile; run the command again"));
        }
        if answer.from > self.at {
            return Err(self.failed("the server continues at another place than it was asked to"));
        }
        self.repeated = self.at - answer.from;
        Ok(())
    }

    /// Connects again, unless that has failed too often.
    fn again(&mut self, failure: &Failure) -> Result<()> {
        let place = match self.size {
            Some(size) => format!("after {} of {size} bytes", self.at),
            None => format!("after {} bytes", self.at),
        };
        if !failure.passing || self.tries == TRIES {
            return Err(Failure::lasting(format!("{} {place}", failure.reason)).of(&self.url));
        }
        self.pause()?;
        self.tries += 1;
        self.connection = connect(self.url.clone(), self.patience, self.at, self.validator.clone());
        Ok(())
    }

    fn pause(&self) -> Result<()> {
        let until = Instant::now() + (PAUSE * 2u32.pow(self.tries)).min(LONGEST_PAUSE).min(self.patience.0);
        while Instant::now() < until {
            signal::check()?;
            thread::sleep(LOOK);
        }
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

fn connect(url: String, patience: Patience, from: u64, validator: Option<String>) -> Receiver<Message> {
    let (send, receive) = sync_channel(WAITING);
    thread::spawn(move || {
        let end = match transfer(&url, patience, from, validator.as_deref(), &send) {
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
    from: u64,
    validator: Option<&str>,
    send: &SyncSender<Message>,
) -> Result<(), Failure> {
    let response = server::get(&server::agent(url, patience)?, url, from, validator)?;
    let status = response.status().as_u16();
    if status == 416 && from > 0 {
        return Err(Failure::lasting("the server has less than it promised"));
    }
    if let Some(failure) = server::status_failure(status) {
        return Err(failure);
    }
    if send.send(Message::Answer(answer(&response)?)).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; PIECE];
        let count = body.read(&mut piece).map_err(|error| server::explain(&ureq::Error::from(error)))?;
        piece.truncate(count);
        if count == 0 || send.send(Message::Piece(piece)).is_err() {
            return Ok(());
        }
    }
}

fn answer(response: &Response<Body>) -> Result<Answer, Failure> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    // A weak tag does not promise identical bytes.
    let tag = header("etag").filter(|tag| !tag.starts_with("W/"));
    let validator = tag.or_else(|| header("last-modified")).map(str::to_owned);
    if response.status().as_u16() != 206 {
        return Ok(Answer { from: 0, size: number(header("content-length")), validator });
    }
    // `bytes FROM-TO/SIZE`
    let range = header("content-range").and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
    let (span, size) =
        range.ok_or_else(|| Failure::lasting("the server does not say which part it sends"))?;
    let from = number(span.split('-').next())
        .ok_or_else(|| Failure::lasting("the server does not say which part it sends"))?;
    Ok(Answer { from, size: number(Some(size)), validator })
}
