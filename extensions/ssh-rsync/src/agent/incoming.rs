//! The folder in which a push collects what arrives: `/.baserock/incoming/LABEL`. It is no version, and a broken push leaves it for the next.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use baserock::label::Label;
use baserock::layout::{INCOMING, PRIVATE};
use baserock::volume::Volume;
use delta::hash::Hash;
use delta::publish::VERSION;
use delta::{Manifest, format};
use nix::fcntl::OFlag;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};
use system::resolve::Links;
use system::step::change;

use crate::protocol::SILENCE;

/// In the folder: the subvolume in which the new tree is put together: a snapshot of the basis, and one more folder in its root, of
/// contents that have arrived and do not have their names yet.
pub const TREE: &str = "tree";
/// In the folder: the tree of an earlier try, until what has arrived is in the new one.
const EARLIER: &str = "earlier";
/// In the root of the tree: the folder of contents, each named by its hash.
const CONTENTS: &str = ".baserock-contents";
/// In the folder: the new tree's manifest.
const MANIFEST: &str = "manifest";
const LOCK: &str = "lock";
/// How long to wait for the space of what was deleted.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of one label, locked.
pub struct Incoming {
    dir: Dir,
    _lock: Lock,
}

/// The name of the folder of contents among those of two trees: one that neither has.
pub fn contents_name(trees: [&Manifest; 2]) -> String {
    let mut name = CONTENTS.to_owned();
    while trees.iter().any(|tree| tree.entries().iter().any(|entry| *entry.path == *name.as_bytes())) {
        name.push('-');
    }
    name
}

impl Incoming {
    /// Opens the folder, made where it is not there. An agent whose sender has gone silently holds it for a minute yet: that is waited for.
    pub fn open(volume: &Volume, label: &Label) -> Result<Self> {
        let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
        let dir = private.ensure_dir(INCOMING, 0o700)?.ensure_dir(label, 0o700)?;
        let lock = lock(&dir, label)?;
        Ok(Incoming { dir, _lock: lock })
    }

    /// The manifest from an earlier try, if that was of the same tree; what there is of another is deleted.
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

    /// The tree of an earlier try. What there is of a try that began with another basis, or with what this one was before, is deleted.
    pub fn earlier(&self, orig: &Dir) -> Result<Option<Dir>> {
        // Where there are both, taking over what has arrived was not ended.
        if !self.dir.has(EARLIER)? && self.dir.has(TREE)? {
            self.dir.rename(TREE, EARLIER)?;
        }
        let Some(earlier) = self.dir.dir_if_exists(EARLIER)? else { return Ok(None) };
        let ((parent, made), orig) = (btrfs::origin(&earlier)?, btrfs::identity(orig)?);
        // The plan is made for what the basis is now.
        if parent == orig.uuid && orig.ctransid <= made {
            return Ok(Some(earlier));
        }
        drop(earlier);
        self.clear().map(|()| None)
    }

    /// Begins the new tree: a snapshot of the basis.
    pub fn begin_tree(&self, orig: &Dir) -> Result<Dir> {
        let mut deleted = Vec::new();
        btrfs::remove(&self.dir, TREE, &mut deleted)?;
        btrfs::remove(&self.dir, VERSION, &mut deleted)?;
        btrfs::snapshot(orig, &self.dir, TREE, Access::Writable)?;
        self.dir.dir(TREE)
    }

    /// Deletes the tree of an earlier try: what it had is in the new one.
    pub fn forget_earlier(&self) -> Result<()> {
        btrfs::remove(&self.dir, EARLIER, &mut Vec::new())
    }

    /// Deletes everything but the lock.
    fn clear(&self) -> Result<()> {
        self.dir.remove_tree(MANIFEST)?;
        let mut deleted = Vec::new();
        for name in [TREE, EARLIER, VERSION] {
            btrfs::remove(&self.dir, name, &mut deleted)?;
        }
        // What is asked next is how much space there is.
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
                // For those who look who it is.
                change("write", dir.shown(LOCK), || writeln!(lock.file(), "{}", std::process::id()))?;
                return Ok(lock);
            }
            Err(error) => return Err(error),
        }
    }
}
