//! The folder in which a new version is put together: `/.baserock/incoming/LABEL`. It is not a version. A failed try can leave it for the
//! next try.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use delta::hash::Hash;
use delta::{Manifest, format};
use nix::fcntl::OFlag;
use system::atomic;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result, if_exists};
use system::lock::{Lock, Patience};
use system::remove;
use system::resolve::Links;
use system::step::change;
use system::undo::Undo;

use crate::label::ExistingLabel;
use crate::layout::{INCOMING, ORIG, PRIVATE, SYSTEMS};
use crate::operations::manifest;
use crate::volume::Volume;

/// In the folder: the subvolume in which the new tree is put together. It is a snapshot of the basis with one more folder in its root. That
/// folder is for contents that do not have their names yet.
pub const TREE: &str = "tree";
/// In the folder: the tree of an earlier try, until its contents have been taken over into the new tree.
const EARLIER: &str = "earlier";
/// In the root of the tree: the folder of contents, each named by its hash.
const CONTENTS: &str = ".baserock-contents";
/// In the folder: the new tree's manifest.
const MANIFEST: &str = "manifest";
/// In the folder: the directory that becomes the version's.
const VERSION: &str = "version";
const LOCK: &str = "lock";
/// The longest time to wait for the lock. A process whose source has vanished may hold it for one more minute.
const LOCK_PATIENCE: Duration = Duration::from_secs(65);
/// The time between two tries to get the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// The limit for a manifest in bytes. The manifest of a Debian system has a thousandth of this.
const MOST_MANIFEST: u64 = 1 << 30;
/// The longest time to wait until the space of deleted subvolumes is free.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of one label, locked.
pub struct Staging {
    dir: Dir,
    /// Whether a failure leaves the folder for the next try.
    is_kept: bool,
    /// Deletes the folder at the end. One that is kept is only deleted if nothing is in it. The lock is still held then.
    _clearing: Undo<'static>,
    _lock: Lock,
}

/// A name for the folder of contents. Neither of the two trees has this name.
pub fn parts_name(trees: [&Manifest; 2]) -> String {
    let mut name = CONTENTS.to_owned();
    while trees.iter().any(|tree| tree.entries().iter().any(|entry| *entry.path == *name.as_bytes())) {
        name.push('-');
    }
    name
}

impl Staging {
    /// Opens the folder, and makes it if necessary. After a failure it is left as it is if it is kept, and deleted if not.
    pub fn open(volume: &Volume, label: &ExistingLabel, is_kept: bool) -> Result<Self> {
        let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
        let folders = private.ensure_dir(INCOMING, 0o700)?;
        let (dir, lock) = lock(&folders, label)?;
        let (name, own) = (label.to_string(), dir.duplicate()?);
        let mut clearing = Undo::new();
        clearing.push(format!("remove {}", dir.shown("").display()), move || {
            let is_empty = matches!(own.entries()?.as_slice(), [only] if only.name == LOCK);
            if is_kept && !is_empty { Ok(()) } else { folders.remove_tree(&name) }
        });
        // The number tells an administrator which process is at work.
        change("write", dir.shown(LOCK), || writeln!(lock.file(), "{}", std::process::id()))?;
        Ok(Staging { dir, is_kept, _clearing: clearing, _lock: lock })
    }

    /// Whether a failure leaves the folder for the next try.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// The manifest of an earlier try for the tree with this digest. Everything of a try for another tree is deleted.
    pub fn manifest(&self, digest: Option<Hash>) -> Result<Option<Manifest>> {
        let bytes = self.dir.read_if_exists(MANIFEST, MOST_MANIFEST)?;
        let manifest = bytes.and_then(|bytes| format::read(bytes.as_slice()).ok());
        match manifest.filter(|manifest| Some(manifest.digest()) == digest) {
            Some(manifest) => Ok(Some(manifest)),
            None => self.clear().map(|()| None),
        }
    }

    /// Keeps the manifest for the next try.
    pub fn keep_manifest(&self, manifest: &Manifest) -> Result<()> {
        let mut bytes = Vec::new();
        format::write(manifest, &mut bytes).or_cannot("write", self.dir.shown(MANIFEST))?;
        self.dir.remove_tree(MANIFEST)?;
        self.dir.write_new(MANIFEST, 0o600, &bytes).map(drop)
    }

    /// The tree of an earlier try. It is deleted if it was begun from another basis, or if the basis was changed after that.
    pub fn earlier(&self, orig: &Dir) -> Result<Option<Dir>> {
        // If both exist, the last try was ended while it took contents over from `EARLIER`.
        if !self.dir.has(EARLIER)? && self.dir.has(TREE)? {
            self.dir.rename(TREE, EARLIER)?;
        }
        let Some(earlier) = self.dir.dir_if_exists(EARLIER)? else { return Ok(None) };
        let ((parent, made), orig) = (btrfs::origin(&earlier)?, btrfs::identity(orig)?);
        // The plan is made for the basis as it is now.
        if parent == orig.uuid && orig.ctransid <= made {
            return Ok(Some(earlier));
        }
        drop(earlier);
        self.clear().map(|()| None)
    }

    /// Begins the new tree as a snapshot of the basis.
    pub fn begin_tree(&self, orig: &Dir) -> Result<Dir> {
        self.dir.remove_tree(TREE)?;
        self.dir.remove_tree(VERSION)?;
        btrfs::snapshot(orig, &self.dir, TREE, Access::Writable)?;
        self.dir.dir(TREE)
    }

    /// The new tree.
    pub fn tree(&self) -> Result<Dir> {
        self.dir.dir(TREE)
    }

    /// Deletes the tree of an earlier try. Its contents are in the new tree now.
    pub fn forget_earlier(&self) -> Result<()> {
        self.dir.remove_tree(EARLIER)
    }

    /// Makes the tree the frozen `orig` of a version, with its manifest beside it. The version appears among the others in one step, and is not
    /// complete yet. No file in the tree may be open for writing.
    pub fn publish(&self, volume: &Volume, label: &ExistingLabel, new: &Manifest) -> Result<()> {
        let systems = volume.top().dir(SYSTEMS)?;
        let version = self.dir.ensure_dir(VERSION, 0o755)?;
        // A frozen subvolume cannot be moved, so it is moved first.
        atomic::rename_no_replace(&self.dir, TREE, &version, ORIG)?;
        let orig = version.dir(ORIG)?;
        btrfs::set_access(&orig, Access::ReadOnly)?;
        manifest::store(&version, &orig, new)?;
        atomic::rename_no_replace(&self.dir, VERSION, &systems, label)?;
        btrfs::commit(&systems)
    }

    /// Deletes everything but the lock.
    fn clear(&self) -> Result<()> {
        self.dir.remove_tree(MANIFEST)?;
        let mut deleted = Vec::new();
        for name in [TREE, EARLIER, VERSION] {
            deleted.extend(remove::tree(&self.dir, name)?);
        }
        // The next step checks how much space is free.
        btrfs::wait_until_freed(&self.dir, &deleted, PATIENCE).map(drop)
    }
}

/// Opens and locks the folder of the label. After a failure there is no new folder.
fn lock(folders: &Dir, label: &ExistingLabel) -> Result<(Dir, Lock)> {
    let (begun, shown) = (Instant::now(), format!("the folder of version {label}"));
    let mut undo = Undo::new();
    undo.push(format!("remove {}", folders.shown(label).display()), || remove_empty(folders, label));
    loop {
        let dir = folders.ensure_dir(label, 0o700)?;
        let opened = dir.open_with(LOCK, OFlag::O_RDWR | OFlag::O_CREAT, 0o600, Links::Refuse);
        // Another process may have removed the folder, before it was opened or after.
        let Some(file) = if_exists(opened)? else { continue };
        match Lock::take(File::from(file), shown.as_ref(), Patience::Refuse) {
            Err(Error::Busy { what, holder }) if begun.elapsed() > LOCK_PATIENCE => {
                return Err(Error::Busy { what, holder });
            }
            Err(Error::Busy { .. }) => std::thread::sleep(LOCK_INTERVAL),
            Err(error) => return Err(error),
            Ok(lock) if is_deleted(&lock, &dir)? => {}
            Ok(lock) => {
                undo.commit();
                return Ok((dir, lock));
            }
        }
    }
}

fn is_deleted(lock: &Lock, dir: &Dir) -> Result<bool> {
    Ok(lock.file().metadata().or_cannot("examine", dir.shown(LOCK))?.nlink() == 0)
}

fn remove_empty(folders: &Dir, label: &ExistingLabel) -> Result<()> {
    match folders.dir_if_exists(label)? {
        Some(dir) if dir.entries()?.is_empty() => folders.remove_dir(label),
        _ => Ok(()),
    }
}
