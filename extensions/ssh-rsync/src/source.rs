//! The trees on the sender's side, and their contents by hash.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use delta::entry::{Kind, parent};
use delta::hash::Hash;
use delta::scan::scan;
use delta::{Manifest, Tree, format};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};

use crate::cache::HashCache;
use crate::channel::Sender;
use crate::protocol::kind;

/// Bytes of a manifest in one frame.
const PORTION: usize = 1 << 18;

/// The permissions of everybody else: to enter a folder, and to read a file.
const ENTER: u32 = 0o001;
const READ: u32 = 0o004;

/// A tree that has been read.
pub struct Source {
    /// The tree.
    pub dir: Dir,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Opens a root filesystem; `name` is the parameter that gave its path.
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
    /// Reads the tree, except for files that the cache knows. `report` is called with the bytes seen so far; an error of it ends the
    /// reading.
    pub fn read(dir: Dir, cache: &mut HashCache, report: &dyn Fn(u64) -> Result<()>) -> Result<Self> {
        let manifest = scan(&dir, cache, report)?;
        Ok(Source { dir, manifest })
    }

    /// Sends the manifest.
    pub fn send_manifest(&self, sender: &Sender) -> Result<()> {
        let bytes = format::to_bytes(&self.manifest).or_cannot("describe", self.dir.shown(""))?;
        for portion in bytes.chunks(PORTION) {
            sender.send(kind::MANIFEST, portion)?;
        }
        Ok(())
    }

    /// The tree in the form that `delta` takes.
    pub fn tree(&self) -> Tree<'_> {
        Tree { dir: &self.dir, manifest: &self.manifest }
    }

    /// The size of the file at this index of the manifest; 0 for anything that is not a file.
    pub fn size(&self, index: usize) -> u64 {
        match self.manifest.entries()[index].kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// For each content that every user of the system may read, the index in the manifest of a file that has it. Another machine may be told
    /// of these. It could guess a secret and recognise it by its hash.
    pub fn public_contents(&self) -> HashMap<Hash, usize> {
        let mut private: HashSet<&[u8]> = HashSet::new();
        let mut contents = HashMap::new();
        // An entry comes after that of its folder.
        for (index, entry) in self.manifest.entries().iter().enumerate() {
            let is_below = !entry.path.is_empty() && private.contains(parent(&entry.path));
            match entry.kind {
                Kind::Directory if is_below || entry.metadata.mode & ENTER == 0 => {
                    private.insert(&entry.path);
                }
                Kind::File { hash, .. } if !is_below && entry.metadata.mode & READ != 0 => {
                    contents.insert(hash, index);
                }
                _ => {}
            }
        }
        contents
    }
}
