//! The folders in which new versions are put together: `/.baserock/incoming/LABEL`.

use system::btrfs;
use system::dir::Dir;
use system::error::Result;
use system::remove;

use crate::layout::{INCOMING, PRIVATE};
use crate::volume::Volume;

/// The directory of these folders; `None` if there never was one.
fn folders(volume: &Volume) -> Result<Option<Dir>> {
    match volume.top().dir_if_exists(PRIVATE)? {
        Some(private) => private.dir_if_exists(INCOMING),
        None => Ok(None),
    }
}

/// Deletes the folder of the label, if there is one, with the subvolumes in it.
pub fn discard(volume: &Volume, label: &str, deleted: &mut Vec<u64>) -> Result<()> {
    match folders(volume)? {
        Some(folders) => {
            deleted.extend(remove::tree(&folders, label)?);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Deletes the folders of versions that were begun from this `orig`. Without it nobody can complete them, and they would keep all of its
/// space.
pub fn discard_made_from(volume: &Volume, orig: &Dir, deleted: &mut Vec<u64>) -> Result<()> {
    let Some(folders) = folders(volume)? else { return Ok(()) };
    for entry in folders.entries()?.iter().filter(|entry| entry.is_dir != Some(false)) {
        if is_made_from(&folders.dir(&entry.name)?, orig)? {
            deleted.extend(remove::tree(&folders, &entry.name)?);
        }
    }
    Ok(())
}

fn is_made_from(folder: &Dir, orig: &Dir) -> Result<bool> {
    let uuid = btrfs::identity(orig)?.uuid;
    for entry in folder.entries()?.iter().filter(|entry| entry.is_dir != Some(false)) {
        let inner = folder.dir(&entry.name)?;
        if btrfs::is_subvolume(&inner)? && btrfs::origin(&inner)?.0 == uuid {
            return Ok(true);
        }
    }
    Ok(false)
}
