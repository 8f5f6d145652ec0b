//! Large files are hashed by threads of their own while the tree is read on.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use baserock::error::{Error, Result};
use nix::sys::stat::FileStat;

use crate::hash::Hash;

/// Bytes read at a time.
pub const BUFFER: usize = 1 << 18;
/// Most threads; a disk that needs more to be busy is rare.
const MOST: usize = 8;
/// Files that wait for a thread, opened: large ones come many at once.
const WAITING: usize = 64;

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
    jobs: SyncSender<Job>,
    threads: Vec<ScopedJoinHandle<'scope, Vec<Hashed>>>,
    wanted: Wanted,
}

/// Where jobs come from. Shared by all threads.
type Jobs = Mutex<Receiver<Job>>;

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
        let waiting = Arc::new(Mutex::new(waiting));
        let wanted = Arc::new(AtomicBool::new(true));
        let start = |_| {
            let (waiting, wanted) = (waiting.clone(), wanted.clone());
            scope.spawn(move || work(&waiting, &wanted))
        };
        Pool { jobs, threads: (0..count).map(start).collect(), wanted: Wanted(wanted) }
    }

    /// Hands a file over, once not too many wait.
    pub fn hash(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| failed())
    }

    /// What has come of all files, in the order of their entries.
    pub fn finish(self) -> Result<Vec<Hashed>> {
        let Pool { jobs, threads, wanted: _wanted } = self;
        drop(jobs);
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| failed())?);
        }
        all.sort_by_key(|hashed| hashed.entry);
        Ok(all)
    }
}

fn work(jobs: &Jobs, wanted: &AtomicBool) -> Vec<Hashed> {
    let mut buffer = vec![0; BUFFER];
    let mut done = Vec::new();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { entry, file, stat, shown }) = next else { return done };
        if !wanted.load(Ordering::Relaxed) {
            return done;
        }
        let hash = Hash::of_file(&file, stat.st_size.cast_unsigned(), &shown, &mut buffer);
        done.push(Hashed { entry, stat, hash });
    }
}

fn failed() -> Error {
    Error::refused("a thread that reads files has failed")
}
