//! Makes a second version of what a version consists of: snapshots of its trees, and its boot files once more.

use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, Result};

use super::boot_files;
use crate::boot::BootRecord;
use crate::label::ExistingLabel;
use crate::layout::{BOOT_RECORD, ORIG, RUN};
use crate::volume::Volume;

/// Fails if the version's trees cannot be snapshotted.
pub fn check(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    btrfs::require(volume.top())?;
    let version = volume.version_dir(label)?;
    for part in parts(&version)? {
        if !btrfs::is_subvolume(&version.dir(part)?)? {
            let shown = version.shown(part);
            return Err(Error::refused(format!(
                "{} is no subvolume, so it cannot be snapshotted",
                shown.display()
            )));
        }
    }
    Ok(())
}

/// Makes the trees and the boot files of `from` once more for `to`, whose directory is there and is marked as incomplete, and writes its record.
pub fn make(
    volume: &Volume,
    from: &ExistingLabel,
    to: &ExistingLabel,
    record: Option<&BootRecord>,
) -> Result<()> {
    let (old, new) = (volume.version_dir(from)?, volume.version_dir(to)?);
    for part in parts(&old)? {
        let access = if part == ORIG { Access::ReadOnly } else { Access::Writable };
        btrfs::snapshot(&old.dir(part)?, &new, part, access)?;
    }
    boot_files::duplicate(volume, from, to)?;
    if let Some(record) = record {
        new.write_new(BOOT_RECORD, 0o644, &record.render())?;
    }
    Ok(())
}

/// Whether this tree is the snapshot that [`make`] made of that one.
pub fn is_twin(of: &Dir, tree: &Dir) -> Result<bool> {
    Ok(btrfs::origin(tree)?.0 == btrfs::identity(of)?.uuid)
}

/// The trees of a version. Versions of the original tools may have no `orig`.
fn parts(version: &Dir) -> Result<Vec<&'static str>> {
    Ok(if version.has(ORIG)? { vec![ORIG, RUN] } else { vec![RUN] })
}
