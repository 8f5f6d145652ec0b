//! Hidden folders in which chroots come to be, and in which they go.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use baserock::label::Label;
use nix::errno::Errno;
use nix::unistd::syncfs;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};
use system::namespace::Privilege;
use system::{atomic, btrfs};

use crate::store::{Store, TREE};

const INCOMING: &str = ".incoming.";
const REMOVING: &str = ".removing.";

/// A chroot that is being made. Dropped before it is published, it is gone.
pub struct Staging<'a> {
    store: &'a Store,
    label: Label,
    name: String,
    dir: Dir,
    _lock: Lock,
    published: bool,
}

/// Whether the name is that of a folder of this module.
pub fn is_hidden(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(INCOMING) || name.starts_with(REMOVING))
}

impl<'a> Staging<'a> {
    /// Begins to make a chroot of this label: an empty folder that only this process works on.
    pub fn begin(store: &'a Store, label: &Label) -> Result<Self> {
        store.check_free(label)?;
        let name = format!("{INCOMING}{label}");
        loop {
            let dir = store.dir().ensure_dir(&name, 0o700)?;
            let lock = lock(&dir, &format!("chroot {label}"))?;
            // Between the two, another process may have published or removed the folder.
            if is_still(&dir, store.dir(), &name)? {
                empty(&dir, store.privilege())?;
                store.check_free(label)?;
                return Ok(Staging { store, label: label.clone(), name, dir, _lock: lock, published: false });
            }
        }
    }

    /// The folder of the chroot.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Makes the tree, empty: a subvolume where there are any.
    pub fn make_tree(&self) -> Result<Dir> {
        if btrfs::is_btrfs(&self.dir)? {
            match btrfs::create(&self.dir, TREE) {
                Err(error) if may_do_without(&error, self.store.privilege()) => {}
                other => {
                    other?;
                    return self.dir.dir(TREE);
                }
            }
        }
        self.dir.make_dir(TREE, 0o755)?;
        self.dir.dir(TREE)
    }

    /// Makes it a chroot of the store. When this returns it is on the disk, whole.
    pub fn publish(mut self) -> Result<()> {
        syncfs(self.dir.as_fd()).or_cannot("sync", self.dir.shown(""))?;
        atomic::publish(self.store.dir(), &self.name, self.store.dir(), &self.label)?;
        self.published = true;
        self.store.sync_names()
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = discard(self.store.dir(), self.name.as_ref(), &self.dir, self.store.privilege()) {
            tracing::error!("cannot undo: {error}");
        }
    }
}

/// Takes a chroot out of the store, and then deletes it. The caller holds its lock.
///
/// Nothing is synced: filesystems keep the order of the two, so that after a power cut the chroot is there whole, or is not there.
pub fn remove(store: &Store, label: &Label, dir: &Dir) -> Result<()> {
    let name = format!("{REMOVING}{label}");
    clear(store.dir(), name.as_ref(), store.privilege())?;
    atomic::publish(store.dir(), label, store.dir(), &name)?;
    discard(store.dir(), name.as_ref(), dir, store.privilege())
}

/// Removes a hidden folder that nobody holds; one that is held, or not there, stays as it is.
pub fn clear(store: &Dir, name: &OsStr, privilege: Privilege) -> Result<()> {
    let Some(dir) = store.dir_if_exists(Path::new(name))? else { return Ok(()) };
    match lock(&dir, &name.to_string_lossy()) {
        Err(Error::Busy { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_lock) if is_still(&dir, store, Path::new(name))? => discard(store, name, &dir, privilege),
        Ok(_) => Ok(()),
    }
}

/// Takes the lock of a chroot's folder.
pub fn lock(dir: &Dir, shown: &str) -> Result<Lock> {
    let file = File::from(OwnedFd::from(dir.duplicate()?));
    Lock::take(file, Path::new(shown), Patience::Refuse)
}

fn is_still(dir: &Dir, store: &Dir, name: impl AsRef<Path>) -> Result<bool> {
    let (known, found) = (dir.stat()?, store.stat_of(name)?);
    Ok(found.is_some_and(|found| (found.st_dev, found.st_ino) == (known.st_dev, known.st_ino)))
}

fn discard(store: &Dir, name: &OsStr, dir: &Dir, privilege: Privilege) -> Result<()> {
    empty(dir, privilege)?;
    store.remove_dir(Path::new(name))
}

/// Deletes what is in a chroot's folder: a subvolume at once, anything else file by file.
fn empty(dir: &Dir, privilege: Privilege) -> Result<()> {
    if let Some(tree) = dir.dir_if_exists(TREE)?
        && btrfs::is_subvolume(&tree)?
    {
        drop(tree);
        match btrfs::delete(dir, TREE) {
            Err(error) if may_do_without(&error, privilege) => {}
            other => drop(other?),
        }
    }
    dir.empty()
}

/// Whether this is the kernel's refusal to let an ordinary user work with subvolumes: files and folders do as well then.
fn may_do_without(error: &Error, privilege: Privilege) -> bool {
    let refusals = [Errno::EPERM, Errno::EACCES, Errno::EOPNOTSUPP, Errno::ENOTTY].map(|errno| errno as i32);
    privilege != Privilege::Root && error.os_error().is_some_and(|errno| refusals.contains(&errno))
}
