//! Removes trees. Nothing else does. It never enters a mount, and clears the flags of `chattr` that would stop it.

use std::path::Path;

use crate::btrfs;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::flags;
use crate::mount;
use crate::namespace;
use crate::walk::{Visit, Walk};

impl Dir {
    /// [`tree`] for callers that do not wait for the space.
    pub fn remove_tree(&self, name: impl AsRef<Path>) -> Result<()> {
        tree(self, name).map(drop)
    }
}

/// Removes `name` with everything below it, subvolumes too. It may be missing.
///
/// If something is mounted at `name` or below, this is an error and nothing is removed. Returns the ids of the deleted subvolumes. Their
/// space becomes free later ([`btrfs::wait_until_freed`]).
pub fn tree(dir: &Dir, name: impl AsRef<Path>) -> Result<Vec<u64>> {
    let name = name.as_ref();
    let Some(stat) = dir.stat_of(name)? else { return Ok(Vec::new()) };
    if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
        released(dir, name, || dir.remove_file(name))?;
        return Ok(Vec::new());
    }
    refuse_mounts(dir, name)?;
    let mut deleted = Vec::new();
    let top = dir.dir(name)?;
    if !(btrfs::is_subvolume(&top)? && delete(dir, name, &mut deleted)?) {
        contents(top, &mut deleted)?;
        released(dir, name, || dir.remove_dir(name))?;
    }
    Ok(deleted)
}

/// Removes everything in the directory, as [`tree`] does.
pub fn below(dir: &Dir) -> Result<Vec<u64>> {
    refuse_mounts(dir, Path::new(""))?;
    let mut deleted = Vec::new();
    contents(dir.duplicate()?, &mut deleted)?;
    Ok(deleted)
}

/// Fails if something is mounted at `name` in the directory or below. The error names the mount point.
pub fn refuse_mounts(dir: &Dir, name: &Path) -> Result<()> {
    match mount::below(dir, name)?.first() {
        Some(path) => Err(mounted(dir, path)),
        None => Ok(()),
    }
}

fn mounted(dir: &Dir, path: &Path) -> Error {
    Error::Mounted { path: dir.shown(path) }
}

fn contents(top: Dir, deleted: &mut Vec<u64>) -> Result<()> {
    let mut walk = Walk::new(top)?;
    while let Some(visit) = walk.next()? {
        match visit {
            Visit::Enter(place, dir) if !place.is_top() && btrfs::is_subvolume(dir)? => {
                if delete(place.dir, place.name, deleted)? {
                    walk.prune()?;
                }
            }
            Visit::Enter(..) => {}
            Visit::Leave(place) if place.is_top() => {}
            Visit::Leave(place) => released(place.dir, place.name, || place.dir.remove_dir(place.name))?,
            Visit::Name(place) => released(place.dir, place.name, || place.dir.remove_file(place.name))?,
            // It was mounted after the check at the beginning.
            Visit::Mount(place) => return Err(mounted(place.dir, place.name)),
        }
    }
    Ok(())
}

/// Deletes the subvolume at once. Returns `false` if only the machine's root may do that: an ordinary user has to remove it file by file.
/// For root it is an error that the subvolume cannot be deleted, and it stays whole.
fn delete(dir: &Dir, name: &Path, deleted: &mut Vec<u64>) -> Result<bool> {
    let outcome = released(dir, name, || {
        deleted.extend(btrfs::delete(dir, name)?);
        Ok(())
    });
    let denied = |number| matches!(number, libc::EPERM | libc::EACCES | libc::EOPNOTSUPP | libc::ENOTTY);
    match outcome {
        Err(error) if error.os_error().is_some_and(denied) && !namespace::is_machine_root() => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// Calls `remove` to remove the name. If a flag of the name or of the directory forbids that, clears the flag for the removal.
fn released(dir: &Dir, name: &Path, mut remove: impl FnMut() -> Result<()>) -> Result<()> {
    let mut outcome = remove();
    let mut lifted = Vec::new();
    for protected in [name, Path::new("")] {
        if !matches!(&outcome, Err(error) if error.os_error() == Some(libc::EPERM)) {
            break;
        }
        // If the flag cannot be cleared, the error of the removal is the one to return.
        if let Ok(Some(flag)) = flags::lift(dir, protected) {
            lifted.push(flag);
            outcome = remove();
        }
    }
    let put_back = lifted.into_iter().try_for_each(flags::Lifted::put_back);
    outcome.and(put_back)
}
