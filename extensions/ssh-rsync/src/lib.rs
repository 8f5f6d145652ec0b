//! Pushes an upgrade to a running machine over ssh. Only changes are sent, and they arrive completely or not at all.
//!
//! ```text
//! sender                         agent, on the target
//! Hello                    ->
//!                          <-    Ready (only a check), or WantManifest, or Contents
//! Manifest                 ->
//!                          <-    Contents: how many bytes the basis lacks, and how many of them have arrived before
//! Known                    ->    if anything is missing: which old contents the sender has
//!                          <-    Request: pieces, and a signature of the basis; a few at a time
//! Answer, in order         ->
//!                          <-    RecipeRequest: a large content that may pack files of the tree; beside the requests
//! Recipe, or nothing       ->    beside the answers
//!                          <-    Event, any time
//!                          <-    Finished, or Failed
//! ```
//!
//! Both send a Heartbeat every ten seconds, and end after a minute of silence. Frames, manifests and differences are specified in
//! `baserock-delta`.

pub mod agent;
mod answer;
mod bootstrap;
mod by;
mod cache;
mod channel;
mod check;
mod connection;
mod destination;
mod effort;
mod following;
mod kept_contents;
mod lost;
mod old_contents;
mod options;
mod pending_connection;
pub mod protocol;
mod push;
mod random;
mod recipe_answer;
pub mod recipe_request;
mod remedies;
mod source;
mod ssh;
mod summary;
mod words;

use std::ffi::OsStr;
use std::path::Path;

use baserock::extension::Environment;
use baserock::operations::status::Status;
use system::error::Result;
use system::observer::Observer;

pub use remedies::remedies;

use random::random;

/// What the machine boots after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The new version.
    Default,
    /// What it booted before, because the new version has conflicts in `/etc`.
    Held,
    /// Nothing was pushed, because it was a dry run.
    Nothing,
}

/// Pushes the root filesystem `tree` to the machine at `location`, as the environment says.
pub fn write(
    tree: &Path,
    location: &OsStr,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Written> {
    let options = options::Options::new(location, environment)?;
    push::push(tree, &options, observer)
}

/// Makes the checks that [`write()`] makes before it sends anything.
pub fn check(location: &OsStr, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    check::check(&options::Options::new(location, environment)?, observer)
}

/// Tells how the machine at `location` stands.
pub fn status(location: &OsStr, environment: &Environment, observer: &dyn Observer) -> Result<Status> {
    check::status(location, environment, observer)
}
