//! The marker of a version that is not complete. It is committed before the first change, and removed after everything else is committed.

use system::atomic;
use system::btrfs;
use system::dir::Dir;
use system::error::Result;
use system::remove;

use crate::layout::{BOOT_RECORD, INCOMPLETE, MERGE_RECORD, MERGING, REMARKS, RUN};

/// The names that a deployment makes in a version's directory, except boot files. The marker covers them.
const COVERED: [&str; 6] = [RUN, FROZEN, BOOT_RECORD, MERGE_RECORD, MERGING, REMARKS];

/// The name of the frozen snapshot of `orig` before it takes the place of `orig`.
pub const FROZEN: &str = ".orig.new";

/// Sets the marker and commits it. The marker is an empty file, because even a full volume has room for a name.
pub fn set(version: &Dir) -> Result<()> {
    if !version.has(INCOMPLETE)? {
        version.create(INCOMPLETE, 0o644)?;
    }
    btrfs::commit(version)
}

/// Removes the marker and commits that. Everything that it covers must be committed before.
pub fn clear(version: &Dir) -> Result<()> {
    version.remove_tree(INCOMPLETE)?;
    btrfs::commit(version)
}

/// Deletes everything that the marker covers. `orig` stays. Returns the ids of deleted subvolumes.
pub fn delete_covered(version: &Dir) -> Result<Vec<u64>> {
    let mut deleted = Vec::new();
    for name in COVERED {
        deleted.extend(remove::tree(version, name)?);
        deleted.extend(remove::tree(version, atomic::temporary_name(name))?);
    }
    Ok(deleted)
}

/// Deletes the writable `orig` that was replaced by a frozen one. A crash may have left it in a complete version.
pub fn discard_thawed(version: &Dir) -> Result<()> {
    version.remove_tree(FROZEN)
}
