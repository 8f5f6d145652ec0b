//! Snapshots of subvolumes with the subvolumes inside them, which a plain snapshot leaves empty.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::btrfs::{self, Access};
use crate::dir::Dir;
use crate::error::Result;
use crate::flags;

/// A subvolume that is to be snapshotted into the place of its empty folder.
pub struct Inner<'a> {
    /// Its path in the subvolume that has it.
    pub path: &'a Path,
    /// The subvolume.
    pub original: &'a Dir,
    /// The folder of the copy in which its place is free.
    pub holder: &'a Dir,
    /// Its name in that folder.
    pub name: &'a OsStr,
}

/// Snapshots the subvolume `source` as `name` in `parent`, writable, with all subvolumes inside it.
pub fn whole(source: &Dir, parent: &Dir, name: &str) -> Result<()> {
    let nested = btrfs::nested(source)?;
    btrfs::snapshot(source, parent, name, Access::Writable)?;
    inner(source, &parent.dir(name)?, &nested, &mut |_| Ok(false))
}

/// Snapshots these subvolumes of `source`, and those inside them, into `copy`, where each of them is an empty folder so far. If `instead`
/// returns that it has put something else in the place of one, that one is left to it.
pub fn inner(
    source: &Dir,
    copy: &Dir,
    paths: &[PathBuf],
    instead: &mut dyn FnMut(&Inner<'_>) -> Result<bool>,
) -> Result<()> {
    for path in paths {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let original = source.dir(path)?;
        let holder = if parent.as_os_str().is_empty() { copy.duplicate()? } else { copy.dir(parent)? };
        let made = flags::while_lifted(&holder, &[Path::new("")], || {
            holder.remove_tree(name)?;
            if instead(&Inner { path, original: &original, holder: &holder, name })? {
                return Ok(false);
            }
            btrfs::snapshot(&original, &holder, name, Access::Writable).map(|()| true)
        })?;
        if made {
            inner(&original, &holder.dir(name)?, &btrfs::nested(&original)?, instead)?;
        }
    }
    Ok(())
}
