//! A merge that is taking its place in a complete version: what tells, after a crash, whether it has.

use serde::{Deserialize, Serialize};
use system::atomic;
use system::dir::Dir;
use system::error::{Error, Result};

use super::reown::Reown;
use super::staged::{ETC, Staged};
use crate::etc::Record;
use crate::etc::ids::IdMoves;
use crate::layout::{MERGE_RECORD, MERGING, ORIG, RUN};

/// The record of a merge, and the directory that it made.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// The inode of the new `etc`.
    etc: u64,
    record: Record,
}

/// Notes, on the disk, that the tree is about to take the place of the version's `etc`.
pub fn note(version: &Dir, staged: &Staged<'_>, record: &Record) -> Result<()> {
    let pending = Pending { etc: staged.inode()?, record: record.clone() };
    let json = serde_json::to_vec(&pending)
        .map_err(|error| Error::malformed(version.shown(MERGING), error.to_string()))?;
    atomic::write(version, MERGING, 0o600, &json)
}

/// The merge is done, or undone.
pub fn forget(version: &Dir) -> Result<()> {
    version.remove_tree(MERGING)
}

/// Ends what a crash interrupted: where the new `etc` is in its place it gets its record, else files are given back to their owners.
pub fn settle(version: &Dir) -> Result<()> {
    let Some(json) = version.read_if_exists(MERGING)? else { return Ok(()) };
    let pending: Pending = serde_json::from_slice(&json)
        .map_err(|error| Error::malformed(version.shown(MERGING), error.to_string()))?;
    let run = version.dir(RUN)?;
    if run.stat_of(ETC)?.is_some_and(|etc| etc.st_ino == pending.etc) {
        atomic::write(version, MERGE_RECORD, 0o600, &pending.record.to_json())?;
    } else {
        let before = version.read_if_exists(MERGE_RECORD)?;
        let before = before.map(|json| Record::parse(&json, &version.shown(MERGE_RECORD))).transpose()?;
        let moves = before.map_or_else(IdMoves::default, |record| record.moves);
        Reown { moves: &moves, earlier: &pending.record.moves, owned: None }
            .run(&version.dir(ORIG)?, &run)?;
    }
    forget(version)
}
