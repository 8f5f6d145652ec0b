//! The manifest of a tree, made while the tree is copied: what is read for the one is in memory for the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use baserock::dir::Dir;
use baserock::error::{Error, Result};
use delta::Manifest;
use delta::hash::Hash;
use delta::scan::{Hashes, scan};
use nix::sys::stat::FileStat;

/// Makes the manifest of the tree in a thread of its own while `copy` runs, which fails as a whole where either does.
pub fn beside(tree: &Dir, copy: impl FnOnce() -> Result<()>) -> Result<Manifest> {
    let unwanted = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| scan(tree, &mut Contents { unwanted: &unwanted }, &|_| {}));
        let copied = copy();
        unwanted.store(copied.is_err(), Ordering::Relaxed);
        let manifest = reader.join().map_err(|_| Error::refused("making the manifest has failed"))?;
        copied.and(manifest)
    })
}

/// Every content is read, until nobody wants to know any more.
struct Contents<'a> {
    unwanted: &'a AtomicBool,
}

impl Hashes for Contents<'_> {
    fn known(&self, _: &FileStat) -> Option<Hash> {
        self.unwanted.load(Ordering::Relaxed).then_some(Hash([0; 32]))
    }

    fn learned(&mut self, _: &FileStat, _: Hash) {}
}
