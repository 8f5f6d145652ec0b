//! Removing a chroot.

use baserock::label::Label;
use system::error::{Error, Result};

use crate::inside::{inside, named};
use crate::staging;
use crate::store::Store;

/// Whether the default may go as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Not while there are others.
    No,
    /// It may.
    Yes,
}

/// Removes the chroot: never while somebody is inside, and the default only when it is the last one or `force` says so.
pub fn remove(store: &Store, label: &Label, force: Force) -> Result<()> {
    let chroot = store.get(label)?;
    let _lock = staging::lock(&chroot.dir, &format!("chroot {label}"))?;
    let processes = inside(&chroot.tree()?)?;
    if !processes.is_empty() {
        return Err(Error::refused(format!("{label} is in use by {}; end them first", named(&processes))));
    }
    let is_default = store.default()?.as_ref() == Some(label);
    if is_default && force == Force::No && store.chroots()?.len() > 1 {
        return Err(Error::refused(format!(
            "{label} is the default; choose another one with manage-baserock set-default LABEL, or use --force"
        )));
    }
    if is_default {
        store.unset_default()?;
    }
    staging::remove(store, label, &chroot.dir)
}
