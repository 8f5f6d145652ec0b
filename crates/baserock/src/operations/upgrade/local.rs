//! The contents of a tree on this machine.

use delta::Manifest;
use delta::apply::Stats;
use delta::hash::Hash;
use delta::update::carry_out;
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;

use super::{Contents, Filling};
use crate::label::ExistingLabel;
use crate::operations::manifest;
use crate::operations::trust::Provenance;

/// A root filesystem in a folder of this machine. It is read again at each try, so a try that fails leaves nothing.
pub struct LocalTree<'a> {
    /// The folder.
    pub tree: &'a Dir,
    /// The key of whoever vouches for it, if somebody does.
    pub key: Option<&'a str>,
    /// Is told how far it is.
    pub observer: &'a dyn Observer,
}

impl Contents for LocalTree<'_> {
    fn digest(&self) -> Option<Hash> {
        None
    }

    fn manifest(&mut self, _basis: &Manifest) -> Result<Manifest> {
        manifest::read(self.tree, self.observer)
    }

    fn provenance(&mut self, label: &ExistingLabel, digest: Hash) -> Result<Provenance> {
        Provenance::signed(label, digest, self.key)
    }

    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats> {
        let (apply, observer) = (filling.apply, self.observer);
        observer.phase("writing what differs");
        let total = apply.plan.wanted_bytes();
        let done = carry_out(apply, self.tree, &|bytes| observer.progress(bytes, Some(total)))?;
        observer.note(format!(
            "{} names added, {} changed, {} removed; {} KiB written, {} KiB of changed files stay shared",
            done.names.added,
            done.names.changed,
            done.names.removed,
            done.contents.written >> 10,
            done.contents.shared >> 10
        ));
        Ok(done.names)
    }
}
