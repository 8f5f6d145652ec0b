//! The trees on the sender's side: read, measured, and their contents by hash.

use std::collections::HashMap;
use std::path::Path;

use delta::entry::Kind;
use delta::hash::Hash;
use delta::scan::scan;
use delta::{Manifest, Tree};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};

use crate::cache::Cache;

/// A tree that has been read.
pub struct Source {
    /// The tree.
    pub dir: Dir,
    /// What it holds.
    pub manifest: Manifest,
}

/// Opens a root filesystem; `name` says whose it is.
pub fn open(path: &Path, name: &str) -> Result<Dir> {
    let kind = std::fs::metadata(path).or_cannot(format!("open {name}"), path)?;
    let refused = |what: &str| {
        Error::refused(format!("{} {what}; {name} is an unpacked root filesystem", path.display()))
    };
    if !kind.is_dir() {
        return Err(refused("is not a directory"));
    }
    let dir = Dir::open(path)?;
    if dir.entries()?.is_empty() {
        return Err(refused("is empty"));
    }
    Ok(dir)
}

impl Source {
    /// Reads the tree; what was read before and has not changed is not read again. `report` gets the bytes seen so far, and may end it.
    pub fn read(dir: Dir, cache: &mut Cache, report: &dyn Fn(u64) -> Result<()>) -> Result<Self> {
        let manifest = scan(&dir, cache, report)?;
        Ok(Source { dir, manifest })
    }

    /// The tree as the engine takes it.
    pub fn tree(&self) -> Tree<'_> {
        Tree { dir: &self.dir, manifest: &self.manifest }
    }

    /// Bytes of the file that is this entry of the manifest; none for anything else.
    pub fn size(&self, index: usize) -> u64 {
        match self.manifest.entries()[index].kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Where each content is.
    pub fn contents(&self) -> HashMap<Hash, usize> {
        let hash = |(index, entry): (usize, &delta::entry::Entry)| match entry.kind {
            Kind::File { hash, .. } => Some((hash, index)),
            _ => None,
        };
        self.manifest.entries().iter().enumerate().filter_map(hash).collect()
    }
}
