//! Deletes the data of a version that no menu names any more.

use system::error::Result;
use system::inode;
use system::remove;

use super::{boot_files, incoming};
use crate::label::ExistingLabel;
use crate::layout::{BOOT_RECORD, ORIG, RUN, SYSTEMS};
use crate::volume::Volume;

/// Deletes everything of the version. Returns the ids of deleted subvolumes. After a crash this can be done again.
pub fn delete(volume: &Volume, label: &ExistingLabel) -> Result<Vec<u64>> {
    let version = volume.version_dir(label)?;
    let mut deleted = Vec::new();
    // Without its `run` the version is not complete. From here on it does not come back after a crash.
    deleted.extend(remove::tree(&version, RUN)?);
    boot_files::uninstall(volume, label)?;
    // A damaged version can have something else in its place.
    if version.stat_of(ORIG)?.is_some_and(|stat| inode::is_directory(&stat)) {
        incoming::discard_made_from(volume, &version.dir(ORIG)?, &mut deleted)?;
    }
    // The record goes last: a version that has it and no `run` is half removed.
    for entry in version.entries()?.iter().filter(|entry| entry.name != BOOT_RECORD) {
        deleted.extend(remove::tree(&version, &entry.name)?);
    }
    deleted.extend(remove::tree(&version, BOOT_RECORD)?);
    drop(version);
    volume.top().dir(SYSTEMS)?.remove_dir(label)?;
    Ok(deleted)
}
