//! Hashes files in threads of their own while the scan of the tree goes on.

use std::fs::File;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use nix::sys::stat::FileStat;
use system::error::{Error, Result};
use system::signal;

use crate::hash::Hash;

/// Bytes read at a time.
pub const BUFFER: usize = 1 << 18;
/// Most threads. More of them rarely make a disk faster.
const MOST: usize = 8;
/// How often the thread that waits for the hashes asks whether it is to go on.
const LOOK: Duration = Duration::from_millis(200);
/// A thread gets files in batches of so many bytes or so many files, because waking it up takes longer than hashing a small file.
const BATCH_BYTES: i64 = 1 << 20;
const BATCH_FILES: usize = 32;
/// Most batches that wait for a thread. Their files are open, and a process may have only so many open files.
const WAITING: usize = 4;

/// A file to hash.
pub struct Job {
    /// The index of its entry.
    pub entry: usize,
    /// The file.
    pub file: Arc<File>,
    /// Its metadata.
    pub stat: FileStat,
    /// Its name in messages.
    pub shown: PathBuf,
}

/// The result of a job.
pub struct Hashed {
    /// The index of its entry.
    pub entry: usize,
    /// The metadata of the file before it was read.
    pub stat: FileStat,
    /// Its hash.
    pub hash: Result<Hash>,
}

/// The threads. If this is dropped before they have finished, they leave the waiting jobs.
pub struct Pool<'scope> {
    jobs: SyncSender<Vec<Job>>,
    batch: Vec<Job>,
    batch_bytes: i64,
    results: Receiver<Vec<Hashed>>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    wanted: Wanted,
}

/// The source of jobs, shared by all threads.
type Jobs = Mutex<Receiver<Vec<Job>>>;

/// Whether the hashes are still wanted.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl<'scope> Pool<'scope> {
    /// Starts the threads: one for each processor.
    pub fn start<'env>(scope: &'scope Scope<'scope, 'env>) -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let (done, results) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let wanted = Arc::new(AtomicBool::new(true));
        let start = |_| {
            let (waiting, wanted, done) = (waiting.clone(), wanted.clone(), done.clone());
            scope.spawn(move || {
                // If nobody receives the hashes, they are not wanted any more.
                let _unwanted = done.send(work(&waiting, &wanted));
            })
        };
        let threads = (0..count).map(start).collect();
        Pool { jobs, batch: Vec::new(), batch_bytes: 0, results, threads, wanted: Wanted(wanted) }
    }

    /// Takes a file. Once a batch is full, it is handed to the threads; this waits if they have too much to do.
    pub fn hash(&mut self, job: Job) -> Result<()> {
        self.batch_bytes += job.stat.st_size;
        self.batch.push(job);
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_FILES {
            self.hand_over()
        } else {
            Ok(())
        }
    }

    fn hand_over(&mut self) -> Result<()> {
        self.batch_bytes = 0;
        self.jobs.send(mem::take(&mut self.batch)).map_err(|_| failed())
    }

    /// Waits for the hashes of all files, in the order of their entries. `go_on` is called now and then; an error of it ends the wait.
    pub fn finish(mut self, go_on: &dyn Fn() -> Result<()>) -> Result<Vec<Hashed>> {
        self.hand_over()?;
        let Pool { jobs, results, threads, wanted: _wanted, .. } = self;
        drop(jobs);
        let mut all = Vec::new();
        loop {
            match results.recv_timeout(LOOK) {
                Ok(hashed) => all.extend(hashed),
                Err(RecvTimeoutError::Timeout) => go_on()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in threads {
            thread.join().map_err(|_| failed())?;
        }
        all.sort_by_key(|hashed| hashed.entry);
        Ok(all)
    }
}

fn work(jobs: &Jobs, wanted: &AtomicBool) -> Vec<Hashed> {
    let mut buffer = vec![0; BUFFER];
    let mut done = Vec::new();
    let go_on = || {
        signal::check()?;
        let wanted = wanted.load(Ordering::Relaxed);
        if wanted { Ok(()) } else { Err(Error::refused("the hashes are not wanted any more")) }
    };
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return done };
        for Job { entry, file, stat, shown } in batch {
            let hash = Hash::of_file(&file, stat.st_size.cast_unsigned(), &shown, &mut buffer, &go_on);
            done.push(Hashed { entry, stat, hash });
        }
    }
}

fn failed() -> Error {
    Error::refused("a thread that reads files has failed")
}
