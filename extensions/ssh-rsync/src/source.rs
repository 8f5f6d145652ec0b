//! The trees on the sender's side: read, measured, and their contents by hash.

use std::collections::HashMap;
use std::path::Path;

use baserock::dir::Dir;
use baserock::error::{Error, OrCannot, Result};
use baserock::observer::Observer;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::scan::scan;
use delta::{Manifest, Tree};

use crate::cache::Cache;

/// A tree that has been read.
pub struct Source {
    /// The tree.
    pub dir: Dir,
    /// What it holds.
    pub manifest: Manifest,
}

impl Source {
    /// Reads the root filesystem; what was read before and has not changed is not read again.
    pub fn read(path: &Path, name: &str, cache: &mut Cache, observer: &dyn Observer) -> Result<Self> {
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
        observer.phase(format!("reading {}", path.display()));
        let manifest = scan(&dir, cache, &|bytes| observer.progress(bytes, None))?;
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
