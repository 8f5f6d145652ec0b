//! Freezes a version's `run` at one moment, while its programs go on writing.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;
use system::inode::{Inode, times};
use system::observer::Observer;
use system::undo::tidy;

use crate::label::ExistingLabel;
use crate::layout::{MERGED_FROM, PRIVATE, RUN};
use crate::rootfs::etc::scan::is_snapshot;
use crate::rootfs::etc::staged::ETC;
use crate::volume::Volume;

/// A read-only snapshot. It is deleted when this is dropped. On other filesystems than btrfs this is the directory itself.
pub struct Frozen {
    dir: Dir,
    place: Option<(Dir, String)>,
}

/// Freezes the `run` of a version, with the subvolumes that are in its `/etc`. Names the snapshots in it, which stay out.
pub fn of_run(
    volume: &Volume,
    label: &ExistingLabel,
    version: &Dir,
    observer: &dyn Observer,
) -> Result<Frozen> {
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
    let mut inner = btrfs::nested(&run)?;
    inner.retain(|path| path.starts_with(ETC));
    let access = if inner.is_empty() { Access::ReadOnly } else { Access::Writable };
    btrfs::snapshot(&run, &private, &name, access)?;
    let dir = private.dir(&name)?.shown_as(run.shown(""));
    let frozen = Frozen { dir, place: Some((private, name)) };
    let mut left_out = Vec::new();
    freeze_inner(&run, &frozen.dir, &inner, &mut left_out)?;
    btrfs::set_access(&frozen.dir, Access::ReadOnly)?;
    if let Some((first, others)) = left_out.split_first() {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        observer
            .warn(format!("{}{more}: a snapshot is no configuration, and stays in {label}", first.display()));
    }
    Ok(frozen)
}

/// Snapshots subvolumes of `source` into `copy`, its snapshot, where each of them is an empty directory so far. Snapshots that somebody keeps
/// stay empty.
fn freeze_inner(source: &Dir, copy: &Dir, inner: &[PathBuf], left_out: &mut Vec<PathBuf>) -> Result<()> {
    for path in inner {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let original = source.dir(path)?;
        let holder = if parent.as_os_str().is_empty() { copy.duplicate()? } else { copy.dir(parent)? };
        holder.remove_dir(name)?;
        if path != Path::new(ETC) && is_snapshot(&original)? {
            let inode = Inode::open(original.as_fd(), original.shown(""));
            let stat = inode.stat()?;
            holder.make_dir(name, 0o700)?;
            Inode::named(&holder, Path::new(name)).give(&inode.metadata(&stat)?, times(&stat))?;
            left_out.push(original.shown(""));
            continue;
        }
        btrfs::snapshot(&original, &holder, name, Access::Writable)?;
        freeze_inner(&original, &holder.dir(name)?, &btrfs::nested(&original)?, left_out)?;
    }
    Ok(())
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
