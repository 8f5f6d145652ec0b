//! The store of chroots, and its default.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use baserock::label::ExistingLabel;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{AccessFlags, access, fsync};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::inode::{is_directory, is_link};
use system::namespace::Privilege;
use system::step::change;
use system::{atomic, signal};

use crate::hidden::{self, TREE};
use crate::refusal::Refusal;

/// The link to the default chroot.
const DEFAULT: &str = "default";

/// The folder that the chroots share if the user cannot write to `/src`.
pub(crate) const SHARED: &str = "src";

/// The store of root, and that of an ordinary user, below the home directory.
const OF_ROOT: &str = "/var/lib/baserock/chroots";
const OF_USER: &str = ".local/share/baserock";

/// An opened store.
pub struct Store {
    dir: Dir,
    privilege: Privilege,
}

/// A chroot in a store.
pub struct Chroot {
    /// Its label.
    pub label: ExistingLabel,
    /// Its folder, with the tree and the record.
    pub dir: Dir,
}

/// A chroot that cannot be removed while this exists.
pub struct InUse {
    /// Its tree.
    pub tree: Dir,
    _lock: Flock<File>,
}

/// The path of the store: `named`, else the value of `BASEROCK_CHROOTS`, else the usual path for this user.
pub fn location(named: Option<PathBuf>) -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named.or_else(|| variable("BASEROCK_CHROOTS")) {
        return Ok(path);
    }
    if nix::unistd::geteuid().is_root() {
        return Ok(OF_ROOT.into());
    }
    Ok(variable("HOME").ok_or(Refusal::NoHome)?.join(OF_USER))
}

impl Store {
    /// Opens the store for changes, and removes leftovers of killed processes. A missing store is made.
    pub fn open(path: &Path, privilege: Privilege) -> Result<Self> {
        // Other users must not reach the set-id programs of old systems.
        change("create the store", path, || DirBuilder::new().recursive(true).mode(0o700).create(path))?;
        let store = Store { dir: Dir::open(path)?, privilege };
        store.sweep()?;
        Ok(store)
    }

    /// Opens an existing store, to list or to enter its chroots; `None` if there is none.
    pub fn existing(path: &Path, privilege: Privilege) -> Result<Option<Self>> {
        let opened = system::error::if_exists(Dir::open(path))?;
        Ok(opened.map(|dir| Store { dir, privilege }))
    }

    /// The store's directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The privilege of the user of the store.
    pub fn privilege(&self) -> Privilege {
        self.privilege
    }

    /// All chroots, by label.
    pub fn chroots(&self) -> Result<Vec<Chroot>> {
        let mut chroots = Vec::new();
        for entry in self.dir.entries()? {
            let label = ExistingLabel::of_file(&entry.name).filter(|_| entry.is_dir != Some(false));
            if let Some(label) = label
                && self.link(&label)?.is_none()
            {
                chroots.extend(self.find(&label)?);
            }
        }
        Ok(chroots)
    }

    /// The links that stand in the places of chroots or of their trees.
    pub(crate) fn links(&self) -> Result<Vec<Refusal>> {
        let names = self.dir.entries()?.into_iter().filter(|entry| entry.name != DEFAULT);
        let labels = names.filter_map(|entry| ExistingLabel::of_file(&entry.name));
        labels.filter_map(|label| self.link(&label).transpose()).collect()
    }

    /// The link in the place of the chroot's folder or of its tree, if there is one.
    fn link(&self, label: &ExistingLabel) -> Result<Option<Refusal>> {
        let own = Path::new(label.as_str());
        for path in [own, &own.join(TREE)] {
            match self.dir.stat_of(path)? {
                Some(stat) if is_link(&stat) => {
                    return Ok(Some(Refusal::Link { path: self.dir.shown(path) }));
                }
                Some(stat) if is_directory(&stat) => {}
                _ => break,
            }
        }
        Ok(None)
    }

    /// The chroot of this label, if there is one.
    pub fn find(&self, label: &ExistingLabel) -> Result<Option<Chroot>> {
        if let Some(refusal) = self.link(label)? {
            return Err(refusal.into());
        }
        let Some(dir) = self.dir.dir_if_exists(label)? else { return Ok(None) };
        Ok(dir.has(TREE)?.then(|| Chroot { label: label.clone(), dir }))
    }

    /// The chroot of this label, which must exist.
    pub fn get(&self, label: &ExistingLabel) -> Result<Chroot> {
        self.find(label)?
            .ok_or_else(|| Refusal::NoChroot { label: label.clone(), store: self.shown() }.into())
    }

    /// The default chroot's label, if one is set and exists.
    pub fn default(&self) -> Result<Option<ExistingLabel>> {
        if !self.dir.stat_of(DEFAULT)?.is_some_and(|stat| is_link(&stat)) {
            return Ok(None);
        }
        let Some(label) = ExistingLabel::of_file(self.dir.read_link(DEFAULT)?.as_os_str()) else {
            return Ok(None);
        };
        if self.link(&label)?.is_some() {
            // Whoever asks for its tree is told.
            return Ok(Some(label));
        }
        Ok(self.find(&label)?.map(|chroot| chroot.label))
    }

    /// Makes this chroot the default.
    pub fn set_default(&self, label: &ExistingLabel) -> Result<()> {
        self.get(label)?;
        atomic::link(&self.dir, label.as_str(), DEFAULT)?;
        self.sync_names()
    }

    /// Like [`Store::set_default`] in a store without a default. If this fails, there is still none.
    pub(crate) fn set_first_default(&self, label: &ExistingLabel) -> Result<()> {
        let done = self.set_default(label);
        if done.is_err()
            && let Err(error) = self.unset_default()
        {
            tracing::error!("cannot undo: {error}");
        }
        done
    }

    /// Leaves the store without a default.
    pub(crate) fn unset_default(&self) -> Result<()> {
        match self.dir.remove_file(DEFAULT) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Refuses a label for a new chroot if it is taken or reserved.
    pub(crate) fn check_free(&self, label: &ExistingLabel) -> Result<()> {
        if label.as_str() == SHARED {
            return Err(Error::refused(format!(
                "the label {SHARED} is that of the shared folder; use another one"
            )));
        }
        if self.dir.has(label)? {
            return Err(Refusal::Exists { label: label.clone() }.into());
        }
        Ok(())
    }

    /// The name of the store in messages.
    pub fn shown(&self) -> String {
        self.dir.shown("").display().to_string()
    }

    /// The folder that all chroots share as `/src`. It is the host's `/src`, which is made if it is missing, or a folder of the store if
    /// this user cannot write to the host's.
    pub fn shared_folder(&self) -> Result<PathBuf> {
        let host = Path::new("/src");
        if self.privilege == Privilege::Root {
            // Not an error if it exists: several processes may enter for the first time at once.
            change("create", host, || DirBuilder::new().recursive(true).mode(0o755).create(host))?;
        }
        if access(host, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
            return host.canonicalize().or_cannot("find", host);
        }
        self.dir.ensure_dir(SHARED, 0o755)?;
        let own = self.dir.shown(SHARED);
        own.canonicalize().or_cannot("find", &own)
    }

    /// Waits until names in the store are on the disk.
    pub(crate) fn sync_names(&self) -> Result<()> {
        change("sync", self.dir.shown(""), || fsync(self.dir.as_fd()))
    }

    /// Removes hidden folders that are not in use.
    fn sweep(&self) -> Result<()> {
        for entry in self.dir.entries()? {
            if !hidden::is_hidden(&entry.name) {
                continue;
            }
            match hidden::clear(&self.dir, &entry.name) {
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => tracing::warn!("cannot remove a folder that was left behind: {error}"),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

impl Chroot {
    /// Its root filesystem.
    pub fn tree(&self) -> Result<Dir> {
        self.dir.dir(TREE)
    }

    /// Its tree, which cannot be removed until the result is dropped.
    pub fn hold(&self, store: &Store) -> Result<InUse> {
        let shown = self.dir.shown("");
        let file = File::from(std::os::fd::OwnedFd::from(self.dir.duplicate()?));
        // A process that removes the chroot holds the lock for a moment only.
        let lock = loop {
            match Flock::lock(file.try_clone().or_cannot("lock", &shown)?, FlockArg::LockShared) {
                Ok(lock) => break lock,
                Err((_, Errno::EINTR)) => signal::check()?,
                Err((_, error)) => return Err(error).or_cannot("lock", &shown),
            }
        };
        store.get(&self.label)?;
        Ok(InUse { tree: self.tree()?, _lock: lock })
    }
}

/// The name of its folder in the store.
impl AsRef<OsStr> for Chroot {
    fn as_ref(&self) -> &OsStr {
        OsStr::new(self.label.as_str())
    }
}
