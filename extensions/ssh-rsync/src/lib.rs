//! Pushes an upgrade to a running machine over ssh: only what changed travels, and it arrives whole or not at all.
//!
//! ```text
//! sender                         agent, on the target
//! Hello                    ->
//!                          <-    Ready (only a check), or WantManifest, or Contents
//! Manifest                 ->
//!                          <-    Contents: how much is missing, how much of it is there
//! Known                    ->    where anything is missing: the old contents that the sender has
//!                          <-    Request: pieces, and a signature of the basis; a few at a time
//! Answer, in order         ->
//!                          <-    Event, any time
//!                          <-    Finished, or Failed
//! ```
//!
//! Both send a Heartbeat every ten seconds, and end after a minute of silence. Frames, manifests and differences are specified in
//! `baserock-delta`.

pub mod agent;
mod answer;
mod bootstrap;
mod cache;
mod channel;
mod check;
mod connecting;
mod connection;
mod effort;
mod kept;
mod olds;
mod options;
pub mod protocol;
mod push;
mod source;
mod summary;

use std::ffi::OsStr;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use baserock::extension::Environment;
use system::error::{Error, Result};
use system::observer::Observer;

/// Pushes the root filesystem `tree` to the machine at `location`, as the environment says.
pub fn write(
    tree: &Path,
    location: &OsStr,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<()> {
    let options = options::Options::new(location, environment)?;
    push::push(tree, &options, observer)
}

/// Refuses what [`write()`] would refuse before it sends anything.
pub fn check(location: &OsStr, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    check::check(&options::Options::new(location, environment)?, observer)
}

/// What came of a thread.
fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::refused("a part of this program has failed")))
}
