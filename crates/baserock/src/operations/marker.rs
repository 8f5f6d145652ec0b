//! The marker of a version that is not complete: committed before the first change, removed after everything else is.

use system::atomic;
use system::btrfs;
use system::dir::Dir;
use system::error::Result;
use system::remove;

use crate::layout::{BOOT_RECORD, INCOMPLETE, MERGE_RECORD, MERGING, RUN};

/// What a deployment makes in a version's directory, boot files aside: what the marker covers.
const COVERED: [&str; 5] = [RUN, FROZEN, BOOT_RECORD, MERGE_RECORD, MERGING];

/// Where `orig` is frozen before it takes its place.
pub const FROZEN: &str = ".orig.new";

/// Marks the version, on the disk. The marker is empty: on a full volume there is still room for a name.
pub fn set(version: &Dir) -> Result<()> {
    if !version.has(INCOMPLETE)? {
        version.create(INCOMPLETE, 0o644)?;
    }
    btrfs::commit(version)
}

/// Takes the mark away, on the disk. What it covered must be committed before.
pub fn clear(version: &Dir) -> Result<()> {
    version.remove_tree(INCOMPLETE)?;
    btrfs::commit(version)
}

/// Deletes what the marker covers; `orig` stays. Returns the ids of deleted subvolumes.
pub fn delete_covered(version: &Dir) -> Result<Vec<u64>> {
    let mut deleted = Vec::new();
    for name in COVERED {
        deleted.extend(remove::tree(version, name)?);
        deleted.extend(remove::tree(version, atomic::temporary_name(name))?);
    }
    Ok(deleted)
}

/// Deletes the writable `orig` of which a frozen one has taken the place; a crash may have left it in a complete version.
pub fn discard_thawed(version: &Dir) -> Result<()> {
    version.remove_tree(FROZEN)
}
