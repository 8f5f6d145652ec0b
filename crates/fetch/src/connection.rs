//! A connection to a server. It has a thread of its own, because otherwise a signal would not end the wait for a silent server.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use system::error::Result;
use system::signal;
use ureq::Body;
use ureq::http::Response;

use crate::attempts::LOOK;
use crate::failure::{self, Failure, Patience};
use crate::server::{self, Part};
use crate::validators::Validators;

/// Bytes read from a connection at a time, and most pieces that wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// The messages of one request.
pub struct Connection {
    messages: Receiver<Message>,
    patience: Patience,
}

/// A message of a connection.
pub enum Message {
    /// What the server says before it sends bytes.
    Answer(Answer),
    /// The next bytes.
    Piece(Vec<u8>),
    /// There is no rest: the file has this size.
    Whole(u64),
    /// The server has sent all that it wants to send.
    End,
    /// The request has failed.
    Failed(Failure),
}

/// What a server says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first byte that it sends.
    pub from: u64,
    /// The size of the whole file.
    pub size: Option<u64>,
    /// What tells the file from others of the same name.
    pub validators: Validators,
}

impl Connection {
    /// Asks for a file, or for a part of it; `again` says that a server has had the file before.
    pub fn start(url: &str, patience: Patience, part: Option<Part>, again: bool) -> Self {
        let (send, messages) = sync_channel(WAITING);
        let url = url.to_owned();
        thread::spawn(move || {
            let end = match transfer(&url, patience, part.as_ref(), again, &send) {
                Ok(()) => Message::End,
                Err(failure) => Message::Failed(failure),
            };
            // If the download was given up, the message is not received.
            drop(send.send(end));
        });
        Connection { messages, patience }
    }

    /// The next message.
    pub fn receive(&self) -> Result<Message> {
        let begun = Instant::now();
        // Connecting and reading have limits of their own. This limit is for everything that these do not cover.
        let limit = self.patience.0 * 3 + LOOK;
        loop {
            signal::check()?;
            match self.messages.recv_timeout(LOOK) {
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
}

fn transfer(
    url: &str,
    patience: Patience,
    part: Option<&Part>,
    again: bool,
    send: &SyncSender<Message>,
) -> Result<(), Failure> {
    let response = server::get(url, patience, part)?;
    let status = response.status().as_u16();
    if status == 416 && part.is_some() {
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
