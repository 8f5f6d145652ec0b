//! Hidden folders in which chroots are made and removed.

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

/// A chroot that is being made. It is removed if this is dropped before it is published.
pub struct Staging<'a> {
    store: &'a Store,
    label: Label,
    name: String,
    dir: Dir,
    _lock: Lock,
    published: bool,
}

/// Whether this is the name of such a hidden folder.
pub fn is_hidden(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(INCOMING) || name.starts_with(REMOVING))
}

impl<'a> Staging<'a> {
    /// Begins to make a chroot of this label: makes an empty folder, and locks it.
    pub fn begin(store: &'a Store, label: &Label) -> Result<Self> {
        store.check_free(label)?;
        let name = format!("{INCOMING}{label}");
        loop {
            let dir = store.dir().ensure_dir(&name, 0o700)?;
            let lock = lock(&dir, &format!("chroot {label}"))?;
            // Another process may have published or removed the folder before it was locked.
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

    /// Makes an empty tree: a subvolume if the filesystem has any, else a folder.
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

    /// Makes it a chroot of the store. When this returns, it is complete on the disk.
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
/// Nothing is synced, because filesystems keep the order of the two steps. After a power cut, the chroot is complete or not in the store.
pub fn remove(store: &Store, label: &Label, dir: &Dir) -> Result<()> {
    let name = format!("{REMOVING}{label}");
    clear(store.dir(), name.as_ref(), store.privilege())?;
    atomic::publish(store.dir(), label, store.dir(), &name)?;
    discard(store.dir(), name.as_ref(), dir, store.privilege())
}

/// Removes a hidden folder, unless it is locked or does not exist.
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

/// Empties the folder of a chroot. A subvolume is deleted at once, anything else file by file.
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

/// Whether the kernel does not let an ordinary user work with subvolumes. Files and folders are used then.
fn may_do_without(error: &Error, privilege: Privilege) -> bool {
    let refusals = [Errno::EPERM, Errno::EACCES, Errno::EOPNOTSUPP, Errno::ENOTTY].map(|errno| errno as i32);
    privilege != Privilege::Root && error.os_error().is_some_and(|errno| refusals.contains(&errno))
}
