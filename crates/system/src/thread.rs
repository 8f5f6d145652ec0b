//! Threads that can fail.

use std::thread::ScopedJoinHandle;

use crate::error::{Error, Result};

/// Waits for a thread and returns its result; a panic becomes an error.
pub fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::refused("a thread of this program has failed")))
}
