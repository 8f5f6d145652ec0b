//! Copies of chroots that are used once.

use baserock::label::{ExistingLabel, Label};
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use crate::clone;
use crate::hidden::{EPHEMERAL, TREE};
use crate::staging::Staging;
use crate::store::Store;

/// A copy that never gets a label. It is removed when this is dropped; if this process is killed, by the next command that changes the store.
pub struct Ephemeral<'a> {
    tree: Dir,
    _staging: Staging<'a>,
}

impl<'a> Ephemeral<'a> {
    /// Copies the tree of the chroot.
    pub fn of(store: &'a Store, label: &ExistingLabel, tree: &Dir, observer: &dyn Observer) -> Result<Self> {
        let name = format!("{label}.{}", std::process::id());
        let name: Label = name.parse().map_err(|error| Error::refused(format!("{error}")))?;
        let staging = Staging::begin_in(store, EPHEMERAL, &name)?;
        clone::fill(store, tree, &staging, observer)?;
        Ok(Ephemeral { tree: staging.dir().dir(TREE)?, _staging: staging })
    }

    /// The copy.
    pub fn tree(&self) -> &Dir {
        &self.tree
    }
}
