//! The folder in which a push collects contents: `/.baserock/incoming/LABEL`. It is not a version. A broken push leaves it for the next
//! push.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use baserock::label::Label;
use baserock::layout::{INCOMING, PRIVATE};
use baserock::operations::incoming::VERSION;
use baserock::volume::Volume;
use delta::hash::Hash;
use delta::{Manifest, format};
use nix::fcntl::OFlag;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};
use system::remove;
use system::resolve::Links;
use system::step::change;

use crate::protocol::SILENCE;

/// In the folder: the subvolume in which the new tree is put together. It is a snapshot of the basis with one more folder in its root, for
/// contents that do not have their names yet.
pub const TREE: &str = "tree";
/// In the folder: the tree of an earlier try, until its contents have been taken over into the new tree.
const EARLIER: &str = "earlier";
/// In the root of the tree: the folder of contents, each named by its hash.
const CONTENTS: &str = ".baserock-contents";
/// In the folder: the new tree's manifest.
const MANIFEST: &str = "manifest";
const LOCK: &str = "lock";
/// How long to wait until the space of deleted subvolumes is free.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of one label, locked.
pub struct Incoming {
    dir: Dir,
    _lock: Lock,
}

/// A name for the folder of contents that neither of two trees has.
pub fn contents_name(trees: [&Manifest; 2]) -> String {
    let mut name = CONTENTS.to_owned();
    while trees.iter().any(|tree| tree.entries().iter().any(|entry| *entry.path == *name.as_bytes())) {
        name.push('-');
    }
    name
}

impl Incoming {
    /// Opens the folder, and makes it if necessary. An agent whose sender has vanished holds the lock for one more minute, so this waits
    /// that long.
    pub fn open(volume: &Volume, label: &Label) -> Result<Self> {
        let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
        let dir = private.ensure_dir(INCOMING, 0o700)?.ensure_dir(label, 0o700)?;
        let lock = lock(&dir, label)?;
        Ok(Incoming { dir, _lock: lock })
    }

    /// The manifest of an earlier try, if that was for the same tree. Everything of a try for another tree is deleted.
    pub fn manifest(&self, digest: Hash) -> Result<Option<Manifest>> {
        let bytes = self.dir.read_if_exists(MANIFEST)?;
        let manifest = bytes.and_then(|bytes| format::read(bytes.as_slice()).ok());
        match manifest.filter(|manifest| manifest.digest() == digest) {
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

    /// The tree of an earlier try. It is deleted if it was begun from another basis, or before the basis was changed.
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
        let mut deleted = Vec::new();
        deleted.extend(remove::tree(&self.dir, TREE)?);
        deleted.extend(remove::tree(&self.dir, VERSION)?);
        btrfs::snapshot(orig, &self.dir, TREE, Access::Writable)?;
        self.dir.dir(TREE)
    }

    /// Deletes the tree of an earlier try. Its contents are in the new tree now.
    pub fn forget_earlier(&self) -> Result<()> {
        self.dir.remove_tree(EARLIER)
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

fn lock(dir: &Dir, label: &Label) -> Result<Lock> {
    let begun = Instant::now();
    loop {
        let file = File::from(dir.open_with(LOCK, OFlag::O_RDWR | OFlag::O_CREAT, 0o600, Links::Refuse)?);
        let shown = format!("the push of {label}");
        match Lock::take(file, shown.as_ref(), Patience::Refuse) {
            Err(Error::Busy { what, holder }) if begun.elapsed() > SILENCE + Duration::from_secs(5) => {
                return Err(Error::Busy { what, holder });
            }
            Err(Error::Busy { .. }) => std::thread::sleep(Duration::from_millis(200)),
            Ok(lock) => {
                // For an administrator who wants to know which process it is.
                change("write", dir.shown(LOCK), || writeln!(lock.file(), "{}", std::process::id()))?;
                return Ok(lock);
            }
            Err(error) => return Err(error),
        }
    }
}
