//! Removes a chroot.

use std::path::Path;

use baserock::label::ExistingLabel;
use system::error::{Error, Result};
use system::remove;

use crate::inside::{inside, named};
use crate::refusal::Refusal;
use crate::store::{Chroot, Store};
use crate::{hidden, staging};

/// Whether the default may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Only if it is the last chroot.
    No,
    /// Always.
    Yes,
}

/// Removes the chroot. This is refused while a process is inside. The default is removed only if it is the last chroot or `force` allows
/// it.
pub fn remove(store: &Store, label: &ExistingLabel, force: Force) -> Result<()> {
    let chroot = store.get(label)?;
    // Whoever is inside also holds the lock, but says less.
    refuse_if_used(label, &chroot)?;
    let _lock = hidden::lock(&chroot.dir, &format!("chroot {label}"))?;
    refuse_if_used(label, &chroot)?;
    remove::refuse_mounts(&chroot.dir, Path::new(""))?;
    let is_default = store.default()?.as_ref() == Some(label);
    if is_default && force == Force::No && store.chroots()?.len() > 1 {
        return Err(Refusal::Default { label: label.clone() }.into());
    }
    if is_default {
        store.unset_default()?;
    }
    staging::remove(store, label, &chroot.dir)
}

fn refuse_if_used(label: &ExistingLabel, chroot: &Chroot) -> Result<()> {
    let processes = inside(&chroot.tree()?)?;
    if processes.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!("{label} is in use by {}; end them first", named(&processes))))
}
