//! Freezes a version's `run` at one moment, while its programs go on writing.

use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;
use system::undo::tidy;

use crate::label::ExistingLabel;
use crate::layout::{MERGED_FROM, PRIVATE, RUN};
use crate::volume::Volume;

/// A read-only snapshot. It is deleted when this is dropped. On other filesystems than btrfs this is the directory itself.
pub struct Frozen {
    dir: Dir,
    place: Option<(Dir, String)>,
}

/// Freezes the `run` of a version.
pub fn of_run(volume: &Volume, label: &ExistingLabel, version: &Dir) -> Result<Frozen> {
    let run = version.dir(RUN)?;
    if !btrfs::is_subvolume(&run)? {
        return Ok(Frozen { dir: run, place: None });
    }
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    let name = format!("{MERGED_FROM}{label}");
    if private.has(&name)? {
        // A killed process has left it behind.
        btrfs::delete(&private, &name)?;
    }
    btrfs::snapshot(&run, &private, &name, Access::ReadOnly)?;
    let dir = private.dir(&name)?.shown_as(run.shown(""));
    Ok(Frozen { dir, place: Some((private, name)) })
}

impl Frozen {
    /// The frozen tree. Messages show the path of the version's own tree.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Some((private, name)) = &self.place {
            tidy(btrfs::delete(private, name).map(drop));
        }
    }
}
