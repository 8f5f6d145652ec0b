//! Where a repository is: on a server, on its mirrors, or in a folder of this machine.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use baserock_fetch::{Parts, Patience, Source};
use delta::hash::Hash;
use system::error::{Error, Result};
use system::observer::Observer;
use system::signal;

use crate::refusal::Refusal;

/// A repository and its mirrors. All of them are equally trusted: not at all.
pub struct Location {
    sources: Vec<Source>,
    patience: Patience,
    /// Most bytes in a second.
    limit: Option<u64>,
    used: Cell<Used>,
}

/// What was used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes that were read.
    pub bytes: u64,
    /// Requests to servers.
    pub requests: u64,
}

impl Location {
    /// The repository at the first of these URLs or paths; the others are its mirrors.
    pub fn new<'t>(places: impl IntoIterator<Item = &'t OsStr>, limit: Option<u64>) -> Result<Self> {
        let sources: Vec<Source> = places.into_iter().map(Source::parse).collect::<Result<_>>()?;
        if sources.is_empty() || sources.contains(&Source::Input) {
            return Err(Error::refused("name a repository: a URL or the path of a folder"));
        }
        Ok(Location { sources, patience: Patience::default(), limit, used: Cell::default() })
    }

    /// The repository in messages.
    pub fn shown(&self) -> String {
        self.sources.first().map(ToString::to_string).unwrap_or_default()
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        self.used.get()
    }

    /// The places of a file, one for each mirror.
    pub fn sources(&self, name: &str) -> impl Iterator<Item = Source> {
        self.sources.iter().map(move |source| source.within(name))
    }

    /// Reads a small file whose size nobody knows from one place, at most so many bytes.
    pub fn small(&self, source: &Source, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = source.open(self.patience)?.reader.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::of_reader(source.to_string(), error))?;
        self.count(bytes.len() as u64, u64::from(matches!(source, Source::Url(_))));
        if bytes.len() as u64 > most {
            return Err(Error::TooLarge { path: source.to_string().into(), most });
        }
        Ok(bytes)
    }

    /// A file that is read in parts.
    pub fn file<'a>(&'a self, name: String, observer: &'a dyn Observer) -> RemoteFile<'a> {
        let begun = Instant::now();
        RemoteFile {
            location: self,
            name,
            observer,
            mirror: 0,
            rounds: 0,
            parts: None,
            part: 0..0,
            begun,
            taken: 0,
        }
    }

    /// The bytes of a file whose hash and size are known.
    pub fn whole(&self, name: String, (hash, size): (Hash, u64), observer: &dyn Observer) -> Result<Vec<u8>> {
        let mut file = self.file(name, observer);
        file.seek(0..size);
        file.verified(size, hash, "its content")
    }

    fn count(&self, bytes: u64, requests: u64) {
        let used = self.used.get();
        self.used.set(Used { bytes: used.bytes + bytes, requests: used.requests + requests });
    }
}

/// A file of a repository. If a mirror fails, or sends something else than it should, the next one is asked for the rest. If all have failed,
/// they are asked again: the index may have arrived before what it names.
pub struct RemoteFile<'a> {
    location: &'a Location,
    name: String,
    observer: &'a dyn Observer,
    mirror: usize,
    /// How often all mirrors have failed.
    rounds: usize,
    parts: Option<Parts>,
    part: Range<u64>,
    begun: Instant,
    taken: u64,
}

impl RemoteFile<'_> {
    /// What is read next.
    pub fn seek(&mut self, part: Range<u64>) {
        self.part = part.clone();
        // If that fails, opening the file anew tells why.
        self.parts = self.parts.take().and_then(|mut parts| parts.seek(part).is_ok().then_some(parts));
    }

    /// Reads the next bytes, whose hash is known; `what` they are is for messages.
    pub fn verified(&mut self, length: u64, hash: Hash, what: &str) -> Result<Vec<u8>> {
        let from = self.part.clone();
        loop {
            let mut bytes = Vec::new();
            let read = self.by_ref().take(length).read_to_end(&mut bytes);
            read.map_err(|error| Error::of_reader(self.shown(), error))?;
            if Hash::of(&bytes) == hash {
                return Ok(bytes);
            }
            let altered = Refusal::Altered { file: self.shown(), what: what.to_owned() };
            if !self.turn_to_next(&altered.to_string()) {
                return Err(altered.into());
            }
            self.seek(from.clone());
        }
    }

    /// Skips so many bytes.
    pub fn skip(&mut self, count: u64) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        let mut unwanted = self.by_ref().take(count);
        loop {
            match unwanted.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(Error::of_reader(self.shown(), error)),
            }
        }
    }

    /// Leaves this mirror because of a fault. Returns `false` if there is no other one.
    fn turn_to_next(&mut self, fault: &str) -> bool {
        if self.mirror + 1 >= self.location.sources.len() {
            return false;
        }
        self.observer.note(format!("{fault}; trying the next mirror"));
        self.mirror += 1;
        self.parts = None;
        true
    }

    /// Waits until all mirrors can be asked again. Returns `false` if it is enough.
    fn wait_for_mirrors(&mut self, fault: &io::Error) -> Result<bool> {
        let is_served = self.location.sources.iter().any(|source| matches!(source, Source::Url(_)));
        let Some(&wait) = WAITS.get(self.rounds).filter(|_| is_served) else { return Ok(false) };
        self.observer.note(format!("{fault}; asking again in {} s", wait.as_secs()));
        let begun = Instant::now();
        while begun.elapsed() < wait {
            signal::check()?;
            thread::sleep(LOOK);
        }
        self.rounds += 1;
        (self.mirror, self.parts) = (0, None);
        Ok(true)
    }

    /// The file in messages.
    pub fn shown(&self) -> String {
        self.location.sources(&self.name).nth(self.mirror).map(|s| s.to_string()).unwrap_or_default()
    }

    fn read_from_mirror(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let source = self.location.sources(&self.name).nth(self.mirror).ok_or(io::ErrorKind::NotFound)?;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let mut opened = Parts::open(&source, self.location.patience).map_err(io::Error::other)?;
                opened.seek(self.part.clone()).map_err(io::Error::other)?;
                none.insert(opened)
            }
        };
        let before = parts.requests();
        let read = parts.read(buffer);
        let requests = parts.requests() - before;
        self.location.count(read.as_ref().map_or(0, |count| *count as u64), requests);
        read
    }

    /// Waits until no more has arrived than the limit allows.
    fn slow_down(&self) -> Result<()> {
        let Some(limit) = self.location.limit else { return Ok(()) };
        let earliest = Duration::from_millis(self.taken.saturating_mul(1000) / limit.max(1));
        while let Some(left) = earliest.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero()) {
            signal::check()?;
            thread::sleep(left.min(LOOK));
        }
        Ok(())
    }
}

/// How long is waited before all mirrors are asked again.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];
/// How often signals are checked.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes that are taken at a time where there is a limit.
const LIMITED: usize = 16 << 10;

impl Read for RemoteFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() || buffer.is_empty() {
            return Ok(0);
        }
        let most = if self.location.limit.is_some() { buffer.len().min(LIMITED) } else { buffer.len() };
        let count = loop {
            match self.read_from_mirror(&mut buffer[..most]) {
                Ok(count) => break count,
                Err(error) => {
                    signal::check().map_err(io::Error::other)?;
                    if !self.turn_to_next(&error.to_string())
                        && !self.wait_for_mirrors(&error).map_err(io::Error::other)?
                    {
                        return Err(error);
                    }
                }
            }
        };
        self.part.start += count as u64;
        self.taken += count as u64;
        self.slow_down().map_err(io::Error::other)?;
        Ok(count)
    }
}
