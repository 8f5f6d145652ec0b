//! Frames over two pipes, with byte counts, heartbeats, and a limit on silence.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use baserock::json::{self, Format};
use delta::frame::{self, Frame};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use system::error::{Error, OrCannot, Result};
use system::signal;

use crate::lost::Lost;
use crate::protocol::{HEARTBEAT, PREAMBLE, SILENCE, kind};

/// The end that sends frames. All clones are the same end.
#[derive(Clone)]
pub struct Sender {
    file: Arc<Mutex<File>>,
    sent: Arc<AtomicU64>,
    to: &'static str,
}

/// How often a waiting reader checks for signals, and the thread of the heartbeats checks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);

impl Sender {
    /// Sends frames into this file; `to` names the other side.
    pub fn new(file: File, to: &'static str) -> Self {
        Sender { file: Arc::new(Mutex::new(file)), sent: Arc::default(), to }
    }

    /// Sends a frame.
    pub fn send(&self, kind: u8, content: &[u8]) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut CountingWriter { file: &mut file, count: &self.sent }, kind, content)
            .or_cannot("write to", self.to)
    }

    /// Sends a value as JSON.
    pub fn send_json(&self, kind: u8, value: &(impl Format + Serialize)) -> Result<()> {
        let json = json::line(value).map_err(io::Error::from).or_cannot("write to", self.to)?;
        self.send(kind, json.as_bytes())
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends heartbeats until the result is dropped.
    pub fn send_heartbeats(&self) -> Heartbeats {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, stopped) = (self.clone(), stop.clone());
        thread::spawn(move || {
            let mut last = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                if last.elapsed() >= HEARTBEAT {
                    last = Instant::now();
                    // The next message will fail too, and its sender reports that the other side is gone.
                    if sender.send(kind::HEARTBEAT, &[]).is_err() {
                        return;
                    }
                }
            }
        });
        Heartbeats(stop)
    }
}

/// Heartbeats are sent until this is dropped.
pub struct Heartbeats(Arc<AtomicBool>);

impl Drop for Heartbeats {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct CountingWriter<'a> {
    file: &'a mut File,
    count: &'a AtomicU64,
}

impl Write for CountingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The end that receives frames.
pub struct Receiver {
    from: BufReader<PatientReader>,
    name: &'static str,
    idle: Option<Duration>,
}

impl Receiver {
    /// Receives frames from this file until `given_up` is set; `name` names the other side.
    pub fn new(file: File, name: &'static str, given_up: Arc<AtomicBool>) -> Self {
        Receiver {
            from: BufReader::with_capacity(
                1 << 16,
                PatientReader { file, count: 0, given_up, limit: Limit::Silence },
            ),
            name,
            idle: None,
        }
    }

    /// From now on, the other side may send nothing but heartbeats for so long.
    pub fn limit_idleness(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    /// The next frame that is not a heartbeat. A silence of a minute is an error.
    pub fn receive(&mut self) -> Result<Frame> {
        let begun = Instant::now();
        loop {
            let frame = frame::read(&mut self.from).map_err(|error| self.explain(error))?;
            if frame.kind != kind::HEARTBEAT {
                return Ok(frame);
            }
            if self.idle.is_some_and(|idle| begun.elapsed() > idle) {
                let minutes = begun.elapsed().as_secs() / 60;
                let name = self.name;
                return Err(Error::refused(format!(
                    "{name} has answered nothing for {minutes} minutes, although its connection works"
                )));
            }
        }
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.from.get_ref().count
    }

    /// From now on, all words that come before the frames have to come within [`PREAMBLE`] of the first byte. The target may run something
    /// else that never ends.
    pub fn expect_words(&mut self) {
        self.from.get_mut().limit = Limit::Words(None);
    }

    /// From now on, only silence has a limit.
    pub fn expect_frames(&mut self) {
        self.from.get_mut().limit = Limit::Silence;
    }

    /// The bytes before the first frame.
    pub fn raw(&mut self) -> &mut impl Read {
        &mut self.from
    }

    fn explain(&self, error: io::Error) -> Error {
        if let Err(interrupted) = signal::check() {
            return interrupted;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Lost::new(format!("the connection to {} ended", self.name)).into()
            }
            io::ErrorKind::TimedOut => {
                Lost::new(format!("{} has been silent for {} s", self.name, SILENCE.as_secs())).into()
            }
            _ => Error::Io { action: "read from".into(), path: self.name.into(), cause: error },
        }
    }
}

/// The limit on waiting.
enum Limit {
    /// The other side is silent for too long.
    Silence,
    /// That, and all words have to come soon after the first byte, whose time is known when it has come.
    Words(Option<Instant>),
}

/// A reader that fails when the other side is silent for too long, when a signal comes, and when it is given up.
struct PatientReader {
    file: File,
    count: u64,
    given_up: Arc<AtomicBool>,
    limit: Limit,
}

impl Read for PatientReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            signal::check().map_err(|_| io::Error::other("interrupted"))?;
            if self.given_up.load(Ordering::Relaxed) {
                return Err(io::Error::other("given up"));
            }
            if matches!(self.limit, Limit::Words(Some(first)) if first.elapsed() > PREAMBLE) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let wait = PollTimeout::try_from(LOOK).map_err(io::Error::other)?;
            let ready = match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], wait) {
                Ok(ready) => ready > 0,
                Err(nix::Error::EINTR) => false,
                Err(error) => return Err(error.into()),
            };
            if ready {
                let count = self.file.read(buffer)?;
                self.count += count as u64;
                if let Limit::Words(first) = &mut self.limit {
                    first.get_or_insert_with(Instant::now);
                }
                return Ok(count);
            }
            if begun.elapsed() > SILENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// The two ends of the connection.
pub struct Channel<'a> {
    /// To the sender.
    pub sender: &'a Sender,
    /// From the sender.
    pub receiver: &'a mut Receiver,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_alone_are_no_answer() {
        let (from, to) = nix::unistd::pipe().unwrap();
        let mut to = File::from(to);
        let mut receiver = Receiver::new(File::from(from), "the target", Arc::default());
        for kind in [kind::HEARTBEAT, kind::HELLO, kind::HEARTBEAT] {
            frame::write(&mut to, kind, b"").unwrap();
        }
        receiver.limit_idleness(Duration::from_secs(3600));
        assert_eq!(receiver.receive().unwrap().kind, kind::HELLO);
        receiver.limit_idleness(Duration::ZERO);
        let error = receiver.receive().err().unwrap().to_string();
        assert!(error.contains("has answered nothing"), "{error}");
    }
}
