//! Notes a merge while its result is put in place in a complete version. After a crash the note tells whether that was done.

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

/// The number rises with that of the record inside.
impl Format for Pending {
    const FORMAT: u64 = Record::FORMAT;
}

/// Notes on the disk that the tree is about to replace the version's `etc`.
pub fn note(version: &Dir, staged: &Staged<'_>, record: &Record) -> Result<()> {
    let pending = Pending { etc: staged.inode()?, record: record.clone() };
    atomic::write(version, MERGING, 0o600, &json::file(&pending))
}

/// Removes the note, because the merge is done or undone.
pub fn forget(version: &Dir) -> Result<()> {
    version.remove_tree(MERGING)
}

/// Finishes the work that a crash interrupted. If the new `etc` is in place, it gets its record. Otherwise the files get their old owners
/// back.
pub fn settle(version: &Dir) -> Result<()> {
    let Some(pending) = read(version)? else { return Ok(()) };
    let run = version.dir(RUN)?;
    if run.stat_of(ETC)?.is_some_and(|etc| etc.st_ino == pending.etc) {
        atomic::write(version, MERGE_RECORD, 0o600, &pending.record.to_json())?;
    } else {
        let before = version.read_if_exists(MERGE_RECORD, MOST_TEXT)?;
        let before = before.map(|json| Record::parse(&json, &version.shown(MERGE_RECORD))).transpose()?;
        let moves = before.map_or_else(IdMoves::default, |record| record.moves);
        Reown { moves: &moves, earlier: &pending.record.moves, owned: None, is_shared: false }
            .run(&version.dir(ORIG)?, &run)?;
    }
    forget(version)
}

/// The reason why the note cannot be read; `None` if it can be read, or if there is none.
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
