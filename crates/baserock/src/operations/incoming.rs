//! The folders in which versions are put together before they stand: `/.baserock/incoming/LABEL`.

use delta::Manifest;
use system::atomic;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;
use system::remove;

use super::manifest;
use crate::label::Label;
use crate::layout::{INCOMING, ORIG, PRIVATE, SYSTEMS};
use crate::volume::Volume;

/// In a folder: the directory that becomes the version's.
pub const VERSION: &str = "version";

/// All of them; `None` where there never was one.
fn folders(volume: &Volume) -> Result<Option<Dir>> {
    match volume.top().dir_if_exists(PRIVATE)? {
        Some(private) => private.dir_if_exists(INCOMING),
        None => Ok(None),
    }
}

/// Deletes the folder of the label, where there is one, with the subvolumes in it.
pub fn discard(volume: &Volume, label: &str, deleted: &mut Vec<u64>) -> Result<()> {
    match folders(volume)? {
        Some(folders) => {
            deleted.extend(remove::tree(&folders, label)?);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Deletes the folders of versions that somebody began to make from this `orig`: once that is gone nobody can go on, and they would hold
/// all of its space.
pub fn discard_made_from(volume: &Volume, orig: &Dir, deleted: &mut Vec<u64>) -> Result<()> {
    let Some(folders) = folders(volume)? else { return Ok(()) };
    for entry in folders.entries()? {
        let label = entry.name.to_string_lossy();
        if is_made_from(&folders.dir(&entry.name)?, orig)? {
            discard(volume, &label, deleted)?;
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

/// Makes the subvolume `tree` in `folder` the frozen `orig` of a version, with its manifest beside it. The version is not complete yet; it
/// appears among the others in one step. No file in the tree may be open for writing.
pub fn publish(volume: &Volume, folder: &Dir, tree: &str, label: &Label, new: &Manifest) -> Result<()> {
    let systems = volume.top().dir(SYSTEMS)?;
    let version = folder.ensure_dir(VERSION, 0o755)?;
    // A frozen subvolume cannot be moved, so it is moved first.
    atomic::publish(folder, tree, &version, ORIG)?;
    let orig = version.dir(ORIG)?;
    btrfs::set_access(&orig, Access::ReadOnly)?;
    manifest::store(&version, &orig, new)?;
    atomic::publish(folder, VERSION, &systems, label)?;
    btrfs::commit(&systems)
}
