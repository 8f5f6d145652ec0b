//! Copies the contents and the metadata of files: many of them in threads of their own, while the walk of the tree goes on.

use std::fs::File;
use std::mem;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::stat::fstat;

use super::data::{copy_data, copy_seen};
use super::witness::Witness;
use super::{Flagged, give};
use crate::error::{Error, OrCannot, Result};
use crate::inode::{Inode, times};
use crate::owners::IdMoves;

/// Size of the buffer for data that cannot be shared: 256 KiB.
const BUFFER: usize = 1 << 18;
/// Most threads. More of them rarely make a disk faster.
const MOST: usize = 4;
/// A thread gets files in batches of so many bytes or so many files, because waking it up takes longer than copying a small file.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 16;
/// Most batches that wait for a thread. Their files are open, and a process may have only so many open files.
const WAITING: usize = 2;

/// A file to copy. The name of the copy is made already.
pub struct Job {
    /// The file.
    pub source: Arc<File>,
    /// Its name in messages.
    pub source_shown: PathBuf,
    /// The copy, which is empty.
    pub target: File,
    /// Its name in messages.
    pub shown: PathBuf,
    /// Its path in the destination.
    pub to: PathBuf,
    /// The owner numbers that change.
    pub moves: Arc<IdMoves>,
    /// Who sees the content.
    pub witness: Option<Box<dyn Witness>>,
}

/// A file that was copied.
pub struct Copied {
    /// Bytes of content.
    pub bytes: u64,
    /// The part of them that was shared.
    pub shared: u64,
    /// Its flags.
    pub flagged: Flagged,
    /// Its path in the destination.
    pub to: PathBuf,
    /// The name of the source in messages.
    pub from: PathBuf,
}

impl Job {
    fn run(self, buffer: &mut Vec<u8>) -> Result<Copied> {
        buffer.resize(BUFFER, 0);
        let Job { source, source_shown, target, shown, to, moves, witness } = self;
        let stat = fstat(&source).or_cannot("examine", &source_shown)?;
        let size = stat.st_size.cast_unsigned();
        let (bytes, shared) = match witness {
            None => copy_data(&source, &source_shown, &target, &shown, size, buffer)?,
            Some(mut witness) => {
                let seen = &mut *witness;
                let bytes = copy_seen(&source, &source_shown, &target, &shown, size, buffer, seen)?;
                witness.end();
                (bytes, 0)
            }
        };
        let mut metadata = Inode::open(source.as_fd(), &source_shown).metadata(&stat)?;
        metadata.apply_moves(&moves);
        let flagged = give(&metadata, times(&stat), &Inode::open(target.as_fd(), shown))?;
        Ok(Copied { bytes, shared, flagged, to, from: source_shown })
    }
}

/// Files that are being copied. A few are copied by the caller's thread, in order. If this is dropped before all are copied, the rest is left.
#[derive(Default)]
pub struct Files {
    batch: Vec<Job>,
    batch_bytes: u64,
    buffer: Vec<u8>,
    threads: Option<Threads>,
}

impl Files {
    /// Takes a file of about `size` bytes. Returns what was copied meanwhile.
    pub fn copy(&mut self, job: Job, size: u64) -> Result<Vec<Copied>> {
        self.batch_bytes += size;
        self.batch.push(job);
        if self.batch_bytes < BATCH_BYTES && self.batch.len() < BATCH_FILES {
            return Ok(Vec::new());
        }
        self.batch_bytes = 0;
        let batch = mem::take(&mut self.batch);
        let threads = self.threads.get_or_insert_with(Threads::start);
        let (mut copied, refused) = (threads.arrived(false)?, threads.hand_over(batch));
        if let Some(batch) = refused {
            copied.extend(run(batch, &mut self.buffer)?);
        }
        Ok(copied)
    }

    /// Copies all files that are left, and waits for the threads. Returns what was copied meanwhile.
    pub fn settle(&mut self) -> Result<Vec<Copied>> {
        self.batch_bytes = 0;
        let mut copied = run(mem::take(&mut self.batch), &mut self.buffer)?;
        if let Some(threads) = &mut self.threads {
            copied.extend(threads.arrived(true)?);
        }
        Ok(copied)
    }
}

fn run(batch: Vec<Job>, buffer: &mut Vec<u8>) -> Result<Vec<Copied>> {
    batch.into_iter().map(|job| job.run(buffer)).collect()
}

/// What a thread sends back for a batch. It is an `Err` of [`thread::Result`] if it has panicked.
type Answer = thread::Result<Result<Vec<Copied>>>;

/// Threads that copy files. They end when this is dropped.
struct Threads {
    /// `None` if they are to end.
    jobs: Option<SyncSender<Vec<Job>>>,
    answers: Receiver<Answer>,
    /// The number of answers that have not arrived yet.
    expected: usize,
    wanted: Arc<AtomicBool>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts threads: one for each processor.
    fn start() -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let (answer, answers) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let wanted = Arc::new(AtomicBool::new(true));
        let start = |_| {
            let (waiting, answer, wanted) = (waiting.clone(), answer.clone(), wanted.clone());
            thread::spawn(move || work(&waiting, &answer, &wanted))
        };
        let handles = (0..count).map(start).collect();
        Threads { jobs: Some(jobs), answers, expected: 0, wanted, handles }
    }

    /// Hands the batch to a thread. Returns it if all have enough to do.
    fn hand_over(&mut self, batch: Vec<Job>) -> Option<Vec<Job>> {
        let Some(jobs) = &self.jobs else { return Some(batch) };
        match jobs.try_send(batch) {
            Ok(()) => {
                self.expected += 1;
                None
            }
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => Some(batch),
        }
    }

    /// The files that were copied; if `all` is set, waits for all.
    fn arrived(&mut self, all: bool) -> Result<Vec<Copied>> {
        let mut copied = Vec::new();
        while self.expected > 0 {
            let answer = if all { self.answers.recv().ok() } else { self.answers.try_recv().ok() };
            self.expected -= usize::from(answer.is_some());
            match answer {
                Some(Ok(files)) => copied.extend(files?),
                Some(Err(panic)) => resume_unwind(panic),
                None if all => return Err(Error::refused("a thread that copies files has failed")),
                None => break,
            }
        }
        Ok(copied)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.jobs = None;
        for handle in self.handles.drain(..) {
            // Its panic was caught and sent already.
            let _caught = handle.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Vec<Job>>>, answer: &Sender<Answer>, wanted: &AtomicBool) {
    let mut buffer = Vec::new();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        if !wanted.load(Ordering::Relaxed) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run(batch, &mut buffer)));
        if answer.send(outcome).is_err() {
            return;
        }
    }
}
