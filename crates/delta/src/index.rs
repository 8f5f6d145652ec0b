//! Places of entries in the two manifests of a plan. They have a type each, so that one is never looked up in the other's manifest.

use crate::entry::Entry;
use crate::manifest::Manifest;

/// The place of an entry in the manifest of the basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldIndex(pub usize);

/// The place of an entry in the manifest of the new tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewIndex(pub usize);

impl OldIndex {
    /// The entry.
    pub fn of(self, basis: &Manifest) -> &Entry {
        &basis.entries()[self.0]
    }
}

impl NewIndex {
    /// The entry.
    pub fn of(self, new: &Manifest) -> &Entry {
        &new.entries()[self.0]
    }
}
