//! The subvolumes of a version: its own, and those that somebody has made in it.

use system::btrfs;
use system::dir::Dir;
use system::error::Result;

use super::Volume;
use crate::label::ExistingLabel;

/// A subvolume in the directory of a version.
#[derive(Debug)]
pub struct Subvolume {
    /// It, opened. Messages show its path on the volume.
    pub dir: Dir,
    /// The name in the version's directory at which it is, or which holds it.
    pub part: String,
    /// Whether it is inside another subvolume.
    pub is_nested: bool,
}

/// All subvolumes of the version. On other filesystems than btrfs there are none.
pub(super) fn of(volume: &Volume, label: &ExistingLabel) -> Result<Vec<Subvolume>> {
    let version = volume.version_dir(label)?;
    let mut found = Vec::new();
    for entry in version.entries()?.iter().filter(|entry| entry.is_dir != Some(false)) {
        let Some(dir) = version.dir_if_exists(&entry.name)? else { continue };
        if btrfs::is_subvolume(&dir)? {
            let part = entry.name.to_string_lossy().into_owned();
            inside(&dir, &part, &mut found)?;
            found.push(Subvolume { dir, part, is_nested: false });
        }
    }
    Ok(found)
}

/// Adds the subvolumes inside this one, at any depth.
fn inside(subvolume: &Dir, part: &str, found: &mut Vec<Subvolume>) -> Result<()> {
    for path in btrfs::nested(subvolume)? {
        let dir = subvolume.dir(&path)?;
        inside(&dir, part, found)?;
        found.push(Subvolume { dir, part: part.to_owned(), is_nested: true });
    }
    Ok(())
}
