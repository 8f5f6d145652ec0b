//! A merge that is taking its place in a complete version: what tells, after a crash, whether it has.

use serde::{Deserialize, Serialize};
use system::atomic;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};

use super::reown::Reown;
use super::staged::{ETC, Staged};
use crate::etc::Record;
use crate::json::{self, Format};
use crate::layout::{MERGE_RECORD, MERGING, ORIG, RUN};
use system::owners::IdMoves;

/// The record of a merge, and the directory that it made.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// The inode of the new `etc`.
    etc: u64,
    record: Record,
}

/// The number rises with that of the record that is inside.
impl Format for Pending {
    const FORMAT: u64 = Record::FORMAT;
}

/// Notes, on the disk, that the tree is about to take the place of the version's `etc`.
pub fn note(version: &Dir, staged: &Staged<'_>, record: &Record) -> Result<()> {
    let pending = Pending { etc: staged.inode()?, record: record.clone() };
    atomic::write(version, MERGING, 0o600, &json::file(&pending))
}

/// The merge is done, or undone.
pub fn forget(version: &Dir) -> Result<()> {
    version.remove_tree(MERGING)
}

/// Ends what a crash interrupted: where the new `etc` is in its place it gets its record, else files are given back to their owners.
pub fn settle(version: &Dir) -> Result<()> {
    let Some(pending) = read(version)? else { return Ok(()) };
    let run = version.dir(RUN)?;
    if run.stat_of(ETC)?.is_some_and(|etc| etc.st_ino == pending.etc) {
        atomic::write(version, MERGE_RECORD, 0o600, &pending.record.to_json())?;
    } else {
        let before = version.read_if_exists(MERGE_RECORD, MOST_TEXT)?;
        let before = before.map(|json| Record::parse(&json, &version.shown(MERGE_RECORD))).transpose()?;
        let moves = before.map_or_else(IdMoves::default, |record| record.moves);
        Reown { moves: &moves, earlier: &pending.record.moves, owned: None }
            .run(&version.dir(ORIG)?, &run)?;
    }
    forget(version)
}

/// Why nobody here can tell whether the merge has taken its place; `None` where there is none, or where its record is read.
pub fn fault(version: &Dir) -> Result<Option<String>> {
    match read(version) {
        Err(error @ Error::Malformed { .. }) => Ok(Some(error.reason())),
        outcome => outcome.map(|_| None),
    }
}

fn read(version: &Dir) -> Result<Option<Pending>> {
    let Some(bytes) = version.read_if_exists(MERGING, MOST_TEXT)? else { return Ok(None) };
    json::read(&bytes).map(Some).map_err(|fault| {
        Error::malformed(version.shown(MERGING), fault.in_a("a record of a merge that is taking its place"))
    })
}
