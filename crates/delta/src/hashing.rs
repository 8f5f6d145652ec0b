//! Files are hashed by threads of their own while the tree is read on.

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
/// Most threads; a disk that needs more to be busy is rare.
const MOST: usize = 8;
/// How often somebody who waits for the threads looks whether there is a reason not to.
const LOOK: Duration = Duration::from_millis(200);
/// A thread gets so many bytes at once, or so many files: to wake it up takes longer than to hash a small file.
const BATCH_BYTES: i64 = 1 << 20;
const BATCH_FILES: usize = 32;
/// Batches that wait for a thread. Their files are open: with those of the threads fewer than a process may have.
const WAITING: usize = 4;

/// A file to hash.
pub struct Job {
    /// Which entry it is.
    pub entry: usize,
    /// The file.
    pub file: File,
    /// What the kernel says of it.
    pub stat: FileStat,
    /// Its name in messages.
    pub shown: PathBuf,
}

/// What came of it.
pub struct Hashed {
    /// Which entry it is.
    pub entry: usize,
    /// What the kernel said of it before.
    pub stat: FileStat,
    /// Its hash.
    pub hash: Result<Hash>,
}

/// The threads. Dropped before they have finished, they leave what waits.
pub struct Pool<'scope> {
    jobs: SyncSender<Vec<Job>>,
    batch: Vec<Job>,
    batch_bytes: i64,
    results: Receiver<Vec<Hashed>>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    wanted: Wanted,
}

/// Where jobs come from. Shared by all threads.
type Jobs = Mutex<Receiver<Vec<Job>>>;

/// Whether somebody still wants to know.
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
                // Where nobody waits for it, it is not wanted.
                let _unwanted = done.send(work(&waiting, &wanted));
            })
        };
        let threads = (0..count).map(start).collect();
        Pool { jobs, batch: Vec::new(), batch_bytes: 0, results, threads, wanted: Wanted(wanted) }
    }

    /// Takes a file, and hands it over once there are some, and not too many wait.
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

    /// What has come of all files, in the order of their entries. `go_on` is asked now and then; an error of it ends this.
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
        if wanted { Ok(()) } else { Err(Error::refused("nobody wants the hashes any more")) }
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
