//! How a chroot comes to be, and how it is removed.

use std::os::fd::AsFd;

use baserock::label::ExistingLabel;
use nix::unistd::syncfs;
use system::dir::Dir;
use system::error::Result;
use system::lock::Lock;
use system::remove;
use system::step::change;
use system::{atomic, btrfs};

use crate::hidden::{INCOMING, REMOVING, TREE, clear, discard, is_still, lock, may_do_without};
use crate::store::Store;

/// A chroot that is being made. It is removed if this is dropped before it is published.
pub struct Staging<'a> {
    store: &'a Store,
    label: ExistingLabel,
    name: String,
    dir: Dir,
    _lock: Lock,
    published: bool,
}

impl<'a> Staging<'a> {
    /// Begins to make a chroot of this label: makes an empty folder, and locks it.
    pub fn begin(store: &'a Store, label: &ExistingLabel) -> Result<Self> {
        Staging::begin_in(store, INCOMING, label)
    }

    /// Like [`Staging::begin`] in a hidden folder of this kind.
    pub fn begin_in(store: &'a Store, kind: &str, label: &ExistingLabel) -> Result<Self> {
        store.check_free(label)?;
        let name = format!("{kind}{label}");
        loop {
            let dir = store.dir().ensure_dir(&name, 0o700)?;
            let lock = lock(&dir, &format!("chroot {label}"))?;
            // Another process may have published or removed the folder before it was locked.
            if is_still(&dir, store.dir(), &name)? {
                remove::below(&dir)?;
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

    /// Makes it a chroot of the store, and then does what belongs to that. When this returns, it is complete on the disk. If anything fails, it
    /// is no chroot; nobody can have entered it, because it is still locked.
    pub fn publish(mut self, then: impl FnOnce() -> Result<()>) -> Result<()> {
        change("sync", self.dir.shown(""), || syncfs(self.dir.as_fd()))?;
        atomic::rename_no_replace(self.store.dir(), &self.name, self.store.dir(), &self.label)?;
        self.published = true;
        let done = self.store.sync_names().and_then(|()| then());
        if done.is_err() {
            match atomic::rename_no_replace(self.store.dir(), &self.label, self.store.dir(), &self.name) {
                Ok(()) => self.published = false,
                Err(error) => tracing::error!("cannot undo: {error}"),
            }
        }
        done
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = discard(self.store.dir(), self.name.as_ref(), &self.dir) {
            tracing::error!("cannot undo: {error}");
        }
    }
}

/// Takes a chroot out of the store, and then deletes it. The caller holds its lock.
///
/// Nothing is synced, because filesystems keep the order of the two steps. After a power cut, the chroot is complete or not in the store.
pub fn remove(store: &Store, label: &ExistingLabel, dir: &Dir) -> Result<()> {
    let name = format!("{REMOVING}{label}");
    clear(store.dir(), name.as_ref())?;
    atomic::rename_no_replace(store.dir(), label, store.dir(), &name)?;
    discard(store.dir(), name.as_ref(), dir)
}
