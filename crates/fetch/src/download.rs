//! A download that goes on where it broke off.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use system::error::{Error, Result};
use system::signal;
use ureq::Body;
use ureq::http::Response;

use crate::server::{self, Failure};
use crate::source::Patience;

/// How often in a row a download is taken up again without a single new byte.
const TRIES: u32 = 4;

/// The wait before the first new try; it doubles, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How often a signal is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes read from a connection at once, and pieces that may be waiting.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// The bytes of a URL, over as many connections as it takes.
pub struct Download {
    url: String,
    patience: Patience,
    connection: Receiver<Message>,
    /// What tells this file from a newer one of the same name: its `ETag`, or when it was changed.
    validator: Option<String>,
    size: Option<u64>,
    /// Bytes handed out.
    at: u64,
    /// Bytes to pass over, where a server starts over instead of going on.
    repeated: u64,
    piece: Vec<u8>,
    taken: usize,
    tries: u32,
    ended: bool,
}

/// What a connection tells. It has a thread of its own, since nothing else ends a wait for a silent server when a signal comes.
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
    /// Connects, and learns how large the file is.
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

    /// How many bytes there are, where the server says so.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    fn receive(&self) -> Result<Message> {
        let begun = Instant::now();
        // Connecting, and reading, have limits of their own below; this one is for what they do not cover.
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

    /// Takes up the next message; afterwards there is a piece, or the end.
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

    /// A new connection goes on, or starts over: then what is known already is passed over.
    fn resumed(&mut self, answer: &Answer) -> Result<()> {
        if answer.size != self.size || (answer.validator.is_some() && answer.validator != self.validator) {
            return Err(self.failed("the file on the server changed meanwhile; run the command again"));
        }
        if answer.from > self.at {
            return Err(self.failed("the server goes on at another place than it was asked to"));
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
        // Nobody listens any more once the download was given up.
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
    // A weak tag does not promise the same bytes.
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
