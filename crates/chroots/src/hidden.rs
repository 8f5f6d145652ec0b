//! The hidden folders of a store, in which chroots are made and removed: locked, emptied, deleted.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use system::dir::Dir;
use system::error::{Error, Result};
use system::lock::{Lock, Patience};
use system::namespace::Privilege;
use system::remove;

/// The root filesystem of a chroot, in its folder.
pub const TREE: &str = "tree";

/// The beginning of the name of a folder in which a chroot is made.
pub const INCOMING: &str = ".incoming.";
/// The beginning of the name of a folder from which a chroot is removed.
pub const REMOVING: &str = ".removing.";

/// The beginning of the name of a folder with a copy that is used once.
pub const EPHEMERAL: &str = ".ephemeral.";

/// Whether this is the name of such a hidden folder.
pub fn is_hidden(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| [INCOMING, REMOVING, EPHEMERAL].iter().any(|kind| name.starts_with(kind)))
}

/// What killed processes have left, in words.
pub fn left_over(store: &Dir) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in store.entries()?.iter().filter(|entry| is_hidden(&entry.name)) {
        let name = entry.name.to_string_lossy();
        if entry.is_dir == Some(false) {
            continue;
        }
        let Some(dir) = store.dir_if_exists(Path::new(&entry.name))? else { continue };
        match lock(&dir, &name) {
            // Somebody is at work on it.
            Err(Error::Busy { .. }) => {}
            Err(error) => return Err(error),
            Ok(_lock) => {
                left.push(in_words(&name));
            }
        }
    }
    Ok(left)
}

fn in_words(name: &str) -> String {
    if let Some(copy) = name.strip_prefix(EPHEMERAL) {
        let (label, _process) = copy.rsplit_once('.').unwrap_or((copy, ""));
        return format!("a copy of {label} that was to be used once is left");
    }
    if let Some(label) = name.strip_prefix(REMOVING) {
        return format!("{label} was not removed to the end");
    }
    format!("{} was not made to the end", name.strip_prefix(INCOMING).unwrap_or(name))
}

/// Removes a hidden folder, unless it is locked or does not exist.
pub fn clear(store: &Dir, name: &OsStr) -> Result<()> {
    let Some(dir) = store.dir_if_exists(Path::new(name))? else { return Ok(()) };
    match lock(&dir, &name.to_string_lossy()) {
        Err(Error::Busy { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_lock) if is_still(&dir, store, Path::new(name))? => discard(store, name, &dir),
        Ok(_) => Ok(()),
    }
}

/// Takes the lock of a chroot's folder.
pub fn lock(dir: &Dir, shown: &str) -> Result<Lock> {
    let file = File::from(OwnedFd::from(dir.duplicate()?));
    Lock::take(file, Path::new(shown), Patience::Refuse)
}

/// Whether the opened folder still has this name in the store.
pub fn is_still(dir: &Dir, store: &Dir, name: impl AsRef<Path>) -> Result<bool> {
    let (known, found) = (dir.stat()?, store.stat_of(name)?);
    Ok(found.is_some_and(|found| (found.st_dev, found.st_ino) == (known.st_dev, known.st_ino)))
}

/// Deletes a hidden folder and everything in it.
pub fn discard(store: &Dir, name: &OsStr, dir: &Dir) -> Result<()> {
    remove::below(dir)?;
    store.remove_dir(Path::new(name))
}

/// Whether the kernel does not let an ordinary user work with subvolumes. Files and folders are used then.
pub fn may_do_without(error: &Error, privilege: Privilege) -> bool {
    let refusals = [Errno::EPERM, Errno::EACCES, Errno::EOPNOTSUPP, Errno::ENOTTY].map(|errno| errno as i32);
    privilege != Privilege::Root && error.os_error().is_some_and(|errno| refusals.contains(&errno))
}
