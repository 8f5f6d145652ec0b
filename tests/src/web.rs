//! A web server that serves files well, or badly in one of the ways in which servers do.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::programs::shell;

/// How a file is served.
#[derive(Clone, Debug)]
pub enum How {
    /// With its length, from where it is asked for.
    Well,
    /// Every connection breaks after this many bytes; the next one goes on.
    Breaks(usize),
    /// The first connection breaks after this many bytes, and the server always starts over.
    BreaksWithoutRanges(usize),
    /// Always the whole file, whatever is asked for.
    WithoutRanges,
    /// The first connection breaks after this many bytes, and then it is another file, of the same size and with the same weak tag.
    Changes(usize),
    /// The first connection breaks after this many bytes, and another mirror, with another tag, has the same file.
    Mirrors(usize),
    /// The first connection breaks after this many bytes; the size is known only from the second one.
    LateSize(usize),
    /// The first request fails with this status, the others are served well.
    FailsOnce(u16),
    /// To those who say who they are by this header.
    Asks(&'static str),
    /// The length that is promised is larger by this much.
    Promises(usize),
    /// The length that is promised is smaller by this much.
    Understates(usize),
    /// After an interim answer with this status.
    After(u16),
    /// With a header that does not end.
    EndlessHeader,
    /// Only from this byte on, as a part that nobody asked for.
    Part(usize),
    /// Without a length and without an end, and then without a rest.
    NoRest,
    /// By sending the client elsewhere.
    Redirects(String),
    /// Not at all, with this status.
    Status(u16),
    /// With the start, and then nothing more for a minute.
    Stalls(usize),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, or `CONNECT` where this is used as a proxy.
    pub method: String,
    /// What stands after it.
    pub path: String,
    /// What stands after `Range: bytes=`, if it was asked for.
    pub range: Option<String>,
    /// The header `Authorization`.
    pub user: Option<String>,
    /// The header `Host`.
    pub host: Option<String>,
}

/// A running server; it ends with the test process.
pub struct Web {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

type Files = HashMap<String, (Vec<u8>, How)>;

impl Web {
    /// Serves the files below a folder; `how` says how each is served, by its path with a leading slash.
    pub fn folder(folder: &Path, how: impl Fn(&str) -> How) -> Self {
        let listed = shell("find", &[folder.to_str().expect("text"), "-type", "f", "-printf", "/%P\n"]);
        let files = listed.lines().map(|path| {
            let bytes = fs::read(folder.join(&path[1..])).expect("a file");
            (path.to_owned(), bytes, how(path))
        });
        Web::start(files.collect::<Vec<_>>())
    }

    /// Serves these files: path, content, how.
    pub fn start(files: impl IntoIterator<Item = (impl Into<String>, Vec<u8>, How)>) -> Self {
        let files: Files = files.into_iter().map(|(path, bytes, how)| (path.into(), (bytes, how))).collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (files, log) = (Arc::new(files), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (Arc::clone(&files), Arc::clone(&log));
                // A client that goes away is part of many tests.
                thread::spawn(move || drop(serve(stream, &files, &log)));
            }
        });
        Web { address, requests }
    }

    /// The URL of a file, with its leading slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All requests so far, those for checksums left out.
    pub fn requests(&self) -> Vec<Request> {
        let all = self.requests.lock().expect("the log").clone();
        all.into_iter().filter(|request| !request.path.ends_with(".sha256")).collect()
    }
}

fn serve(stream: TcpStream, files: &Files, log: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let Ok(mut request) = read(&stream) else { return status(stream, 400, "") };
    if request.method == "CONNECT" {
        // A tunnel to ourselves, whatever host it should lead to.
        log.lock().expect("the log").push(request);
        (&stream).write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        request = read(&stream)?;
    }
    let earlier = {
        let mut log = log.lock().expect("the log");
        let earlier = log.iter().filter(|known| known.path == request.path).count();
        log.push(request.clone());
        earlier
    };
    // A proxy is asked for whole URLs.
    let path = request
        .path
        .split_once("://")
        .map_or(request.path.as_str(), |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
    match files.get(path.split('?').next().unwrap_or_default()) {
        None => status(stream, 404, ""),
        Some((bytes, how)) => answer(stream, bytes, how, &request, earlier),
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let (mut range, mut user, mut host) = (None, None, None);
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.strip_prefix("bytes=").map(str::to_owned),
            "authorization" => user = Some(value.to_owned()),
            "host" => host = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Request { method, path, range, user, host })
}

fn answer(
    stream: TcpStream,
    bytes: &[u8],
    how: &How,
    request: &Request,
    earlier: usize,
) -> std::io::Result<()> {
    let (asked, stop) = asked(request.range.as_deref(), bytes.len());
    match how {
        How::Breaks(count) => send(stream, bytes, asked, bytes.len(), asked + count, "one"),
        How::BreaksWithoutRanges(count) => {
            let end = if earlier == 0 { *count } else { bytes.len() };
            send(stream, bytes, 0, bytes.len(), end, "one")
        }
        How::Changes(count) if earlier == 0 => weak(stream, bytes, *count),
        How::Changes(_) => {
            let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            send(stream, &other, asked, bytes.len(), bytes.len(), "two")
        }
        How::Mirrors(count) if earlier == 0 => send(stream, bytes, 0, bytes.len(), *count, "one"),
        How::Mirrors(_) => send(stream, bytes, asked, bytes.len(), bytes.len(), "two"),
        How::LateSize(count) if earlier == 0 => chunk(stream, &bytes[..*count], ""),
        How::FailsOnce(code) if earlier == 0 => status(stream, *code, "Retry-After: 1\r\n"),
        How::Asks(who) if request.user.as_deref() != Some(*who) => status(stream, 401, ""),
        How::Promises(_) if asked >= bytes.len() => status(stream, 416, ""),
        How::Promises(more) => send(stream, bytes, asked, bytes.len() + more, bytes.len(), "one"),
        How::Understates(less) => send(stream, bytes, asked, bytes.len() - less, bytes.len() - less, "one"),
        How::After(code) => {
            write!(&stream, "HTTP/1.1 {code} Interim\r\nLink: x\r\n\r\n")?;
            send(stream, bytes, asked, bytes.len(), bytes.len(), "one")
        }
        How::EndlessHeader => {
            write!(&stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(&stream, "X-Header: {}\r\n", "x".repeat(1000))?;
            }
        }
        How::Part(from) => send(stream, bytes, *from, bytes.len(), bytes.len(), "one"),
        How::NoRest if earlier == 0 => chunk(stream, bytes, "ETag: \"one\"\r\n"),
        How::NoRest => status(stream, 416, &format!("Content-Range: bytes */{}\r\n", bytes.len())),
        How::Redirects(to) => status(stream, 302, &format!("Location: {to}\r\n")),
        How::Status(code) => status(stream, *code, ""),
        How::Well | How::LateSize(_) | How::FailsOnce(_) | How::Asks(_) if stop < bytes.len() => {
            part(stream, bytes, asked..stop)
        }
        How::Well | How::LateSize(_) | How::FailsOnce(_) | How::Asks(_) => {
            send(stream, bytes, asked, bytes.len(), bytes.len(), "one")
        }
        How::WithoutRanges => send(stream, bytes, 0, bytes.len(), bytes.len(), "one"),
        How::Stalls(count) => {
            let keep = stream.try_clone()?;
            send(stream, bytes, asked, bytes.len(), *count, "one")?;
            thread::sleep(Duration::from_secs(60));
            drop(keep);
            Ok(())
        }
    }
}

/// What a range of a file of so many bytes asks for: its first byte, and the one after the last.
fn asked(range: Option<&str>, size: usize) -> (usize, usize) {
    let (from, last) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let last: Option<usize> = last.parse().ok();
    (from.parse().unwrap_or(0), last.map_or(size, |last| size.min(last + 1)))
}

/// Sends the part of a file that was asked for.
fn part(mut stream: TcpStream, bytes: &[u8], range: Range<usize>) -> std::io::Result<()> {
    let (from, last, length) = (range.start, range.end - 1, bytes.len());
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{length}\r\nContent-Length: {}\r\nETag: \"one\"\r\nConnection: close\r\n\r\n",
        range.len()
    )?;
    stream.write_all(&bytes[range])?;
    stream.flush()
}

/// Sends the bytes from `from` to `end`, having promised a file of `length`.
fn send(
    mut stream: TcpStream,
    bytes: &[u8],
    from: usize,
    length: usize,
    end: usize,
    tag: &str,
) -> std::io::Result<()> {
    let head = if from > 0 {
        format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}\r\n", length - 1)
    } else {
        "200 OK\r\n".to_owned()
    };
    write!(
        stream,
        "HTTP/1.1 {head}Content-Length: {}\r\nETag: \"{tag}\"\r\nConnection: close\r\n\r\n",
        length - from
    )?;
    stream.write_all(&bytes[from..end.min(bytes.len())])?;
    stream.flush()
}

/// Sends the beginning, with a tag that does not promise identical bytes.
fn weak(mut stream: TcpStream, bytes: &[u8], end: usize) -> std::io::Result<()> {
    let length = bytes.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: W/\"one\"\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&bytes[..end])
}

/// Sends a chunk, and breaks off before the end.
fn chunk(mut stream: TcpStream, bytes: &[u8], headers: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}Connection: close\r\n\r\n{:x}\r\n",
        bytes.len()
    )?;
    stream.write_all(bytes)
}

fn status(mut stream: TcpStream, code: u16, headers: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {code} Status\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
}
