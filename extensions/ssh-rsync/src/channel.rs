//! Frames over two pipes: counted, with heartbeats, and with an end to patience.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delta::frame::{self, Frame};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use system::error::{Error, OrCannot, Result};
use system::signal;

use crate::protocol::{HEARTBEAT, SILENCE, kind};

/// The end that frames go into. Its copies are the same end.
#[derive(Clone)]
pub struct Sender {
    file: Arc<Mutex<File>>,
    sent: Arc<AtomicU64>,
    to: &'static str,
}

/// How often a waiting reader looks for signals, and a heart whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

impl Sender {
    /// Frames go into this file; `to` names the other side.
    pub fn new(file: File, to: &'static str) -> Self {
        Sender { file: Arc::new(Mutex::new(file)), sent: Arc::default(), to }
    }

    /// Sends a frame.
    pub fn send(&self, kind: u8, content: &[u8]) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut Counting { file: &mut file, count: &self.sent }, kind, content)
            .or_cannot("write to", self.to)
    }

    /// Sends a value as JSON.
    pub fn send_json(&self, kind: u8, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value).map_err(io::Error::from).or_cannot("write to", self.to)?;
        self.send(kind, &json)
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// From now on says that this side is there, until the result is dropped.
    pub fn beat(&self) -> Heart {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, stopped) = (self.clone(), stop.clone());
        thread::spawn(move || {
            let mut last = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                if last.elapsed() >= HEARTBEAT {
                    last = Instant::now();
                    // Whoever has something to say will find that the other side is gone.
                    if sender.send(kind::HEARTBEAT, &[]).is_err() {
                        return;
                    }
                }
            }
        });
        Heart(stop)
    }
}

/// Beats until it is dropped.
pub struct Heart(Arc<AtomicBool>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Counting<'a> {
    file: &'a mut File,
    count: &'a AtomicU64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The end that frames come out of.
pub struct Receiver {
    from: BufReader<Patient>,
    name: &'static str,
}

impl Receiver {
    /// Frames come from this file, until they are given up; `name` names the other side.
    pub fn new(file: File, name: &'static str, given_up: Arc<AtomicBool>) -> Self {
        Receiver { from: BufReader::with_capacity(1 << 16, Patient { file, count: 0, given_up }), name }
    }

    /// The next frame that is no heartbeat. A silence of a minute is an error.
    pub fn receive(&mut self) -> Result<Frame> {
        loop {
            let frame = frame::read(&mut self.from).map_err(|error| self.explain(error))?;
            if frame.kind != kind::HEARTBEAT {
                return Ok(frame);
            }
        }
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.from.get_ref().count
    }

    /// What comes before the frames.
    pub fn raw(&mut self) -> &mut impl Read {
        &mut self.from
    }

    fn explain(&self, error: io::Error) -> Error {
        if let Err(interrupted) = signal::check() {
            return interrupted;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::refused(format!("the connection to {} ended", self.name)),
            io::ErrorKind::TimedOut => {
                Error::refused(format!("{} has been silent for {} s", self.name, SILENCE.as_secs()))
            }
            _ => Error::Io { action: "read from".into(), path: self.name.into(), cause: error },
        }
    }
}

/// Reads that end when nothing comes for too long, a signal does, or nobody wants them any more.
struct Patient {
    file: File,
    count: u64,
    given_up: Arc<AtomicBool>,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            signal::check().map_err(|_| io::Error::other("interrupted"))?;
            if self.given_up.load(Ordering::Relaxed) {
                return Err(io::Error::other("given up"));
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
                return Ok(count);
            }
            if begun.elapsed() > SILENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}
