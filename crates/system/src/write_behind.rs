//! Lets the disk begin early with files that somebody will sync in the end.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use crate::sys;

/// From this size on, a file is worth it. Most bytes are in such files, and most files are not.
const LARGE: u64 = 64 << 10;
/// Most files that wait. They are open.
const WAITING: usize = 64;

/// A thread that has the kernel write files which are complete. The kernel itself would wait for half a minute, or until there are very many.
/// Whoever needs the files on the disk still has to sync them. The thread starts with the first file, and ends when this is dropped.
#[derive(Debug, Default)]
pub struct WriteBehind(OnceLock<Writing>);

#[derive(Debug)]
struct Writing {
    /// `None` once no file comes any more.
    files: Option<SyncSender<File>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBehind {
    /// Takes a complete file, into which `size` bytes were written. It is left to the kernel if it is small, or if many wait already.
    pub fn offer(&self, file: File, size: u64) {
        if size < LARGE {
            return;
        }
        if let Some(files) = &self.0.get_or_init(Writing::start).files {
            let _left = files.try_send(file);
        }
    }
}

impl Writing {
    fn start() -> Self {
        let (files, complete) = mpsc::sync_channel::<File>(WAITING);
        let thread = thread::spawn(move || {
            for file in complete {
                // The sync in the end tells what could not be written.
                let _untold = sys::fs::start_writing(file.as_fd());
            }
        });
        Writing { files: Some(files), thread: Some(thread) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            let _nothing = thread.join();
        }
    }
}
