//! A version's `run` as it is at one moment, while its programs go on writing.

use crate::btrfs::{self, Access};
use crate::dir::Dir;
use crate::error::Result;
use crate::label::Label;
use crate::layout::{PRIVATE, RUN};
use crate::volume::Volume;

/// A read-only snapshot, deleted with this value; on other filesystems than btrfs the directory itself.
pub struct Frozen {
    dir: Dir,
    place: Option<(Dir, String)>,
}

/// What begins the names of the snapshots in [`PRIVATE`].
const MERGING: &str = "merging-";

/// Freezes the `run` of a version.
pub fn of_run(volume: &Volume, label: &Label, version: &Dir) -> Result<Frozen> {
    let run = version.dir(RUN)?;
    if !btrfs::is_subvolume(&run)? {
        return Ok(Frozen { dir: run, place: None });
    }
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    let name = format!("{MERGING}{label}");
    if private.has(&name)? {
        // Left by a process that was killed.
        btrfs::delete(&private, &name)?;
    }
    btrfs::snapshot(&run, &private, &name, Access::ReadOnly)?;
    let dir = private.dir(&name)?.shown_as(run.shown(""));
    Ok(Frozen { dir, place: Some((private, name)) })
}

/// Deletes the snapshots that killed processes have left.
pub fn discard_left(volume: &Volume) -> Result<()> {
    let Some(private) = volume.top().dir_if_exists(PRIVATE)? else { return Ok(()) };
    for entry in private.entries()? {
        let name = entry.name.to_string_lossy();
        if name.starts_with(MERGING) && btrfs::is_subvolume(&private.dir(&entry.name)?)? {
            btrfs::delete(&private, &name)?;
        }
    }
    Ok(())
}

impl Frozen {
    /// The frozen tree; messages show it as the version's own.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Deletes it.
    pub fn discard(mut self) -> Result<()> {
        self.delete()
    }

    fn delete(&mut self) -> Result<()> {
        match self.place.take() {
            Some((private, name)) => btrfs::delete(&private, &name).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = self.delete() {
            tracing::error!("left behind: {error}");
        }
    }
}
