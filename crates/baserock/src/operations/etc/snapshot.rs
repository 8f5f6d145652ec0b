//! Freezes a version's `run` at one moment, while its programs go on writing.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use system::btrfs::{self, Access};
use system::copy::Copier;
use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::{Inode, times};
use system::observer::Observer;
use system::snapshot::{self, Inner};
use system::undo::{Undo, tidy};

use crate::label::ExistingLabel;
use crate::layout::{MERGED_FROM, PRIVATE, RUN};
use crate::rootfs::etc::scan::is_snapshot;
use crate::rootfs::etc::staged::ETC;
use crate::volume::Volume;

/// A read-only snapshot, or a copy of `etc`. It is deleted when this is dropped. On other filesystems than btrfs this is the directory itself.
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
    // A killed process may have left one behind.
    private.remove_tree(&name)?;
    let mut inner = btrfs::nested(&run)?;
    inner.retain(|path| path.starts_with(ETC));
    let access = if inner.is_empty() { Access::ReadOnly } else { Access::Writable };
    match btrfs::snapshot(&run, &private, &name, access) {
        // The kernel snapshots no subvolume with a swap file in use, but only `etc` is read from the snapshot.
        Err(Error::SwappedTo { .. }) => copy(&run, &private, &name)?,
        outcome => outcome?,
    }
    let dir = private.dir(&name)?.shown_as(run.shown(""));
    let frozen = Frozen { dir, place: Some((private, name)) };
    let mut left_out = Vec::new();
    snapshot::inner(&run, &frozen.dir, &inner, &mut |inner| leave_out(inner, &mut left_out))?;
    btrfs::set_access(&frozen.dir, Access::ReadOnly)?;
    name_left_out(label, &left_out, observer);
    Ok(frozen)
}

/// The `run` of a version as it is, to look at. Names the snapshots in its `/etc`, which count as empty.
pub fn of_run_as_it_is(label: &ExistingLabel, version: &Dir, observer: &dyn Observer) -> Result<Frozen> {
    let run = version.dir(RUN)?;
    let mut left_out = Vec::new();
    if btrfs::is_subvolume(&run)? {
        let nested = btrfs::nested(&run)?.into_iter().filter(|path| path.starts_with(ETC));
        let mut inner = nested.map(|path| Ok((run.dir(&path)?, path))).collect::<Result<Vec<_>>>()?;
        while let Some((dir, path)) = inner.pop() {
            if path != Path::new(ETC) && is_snapshot(&dir)? {
                left_out.push(dir.shown(""));
                continue;
            }
            for nested in btrfs::nested(&dir)? {
                inner.push((dir.dir(&nested)?, path.join(nested)));
            }
        }
    }
    left_out.sort();
    name_left_out(label, &left_out, observer);
    Ok(Frozen { dir: run, place: None })
}

fn name_left_out(label: &ExistingLabel, left_out: &[PathBuf], observer: &dyn Observer) {
    if let Some((first, others)) = left_out.split_first() {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        observer
            .warn(format!("{}{more}: a snapshot is no configuration, and stays in {label}", first.display()));
    }
}

/// Leaves a snapshot that somebody keeps as an empty directory. Returns whether it is one.
fn leave_out(inner: &Inner<'_>, left_out: &mut Vec<PathBuf>) -> Result<bool> {
    let Inner { path, original, holder, name } = inner;
    if *path == Path::new(ETC) || !is_snapshot(original)? {
        return Ok(false);
    }
    let inode = Inode::open(original.as_fd(), original.shown(""));
    let stat = inode.stat()?;
    holder.make_dir(name, 0o700)?;
    Inode::named(holder, Path::new(name)).give(&inode.metadata(&stat)?, times(&stat))?;
    left_out.push(original.shown(""));
    Ok(true)
}

/// Copies `etc` in shared blocks.
fn copy(run: &Dir, private: &Dir, name: &str) -> Result<()> {
    btrfs::create(private, name)?;
    let mut undo = Undo::new();
    undo.push(format!("delete {}", private.shown(name).display()), || private.remove_tree(name));
    if run.has(ETC)? {
        let destination = private.dir(name)?;
        let mut copier = Copier::new(&destination);
        copier.entry(run, OsStr::new(ETC), Path::new(ETC))?;
        copier.fix()?;
    }
    undo.commit();
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
            tidy(private.remove_tree(name));
        }
    }
}
