//! The old contents that the sender has: those of the tree in `BASE_ROOT`, and those that it keeps from earlier pushes.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use delta::hash::Hash;
use delta::unit::MOST_OLD;
use delta::update::append_piece;
use system::error::{Error, Result};

use crate::kept_contents::KeptContents;
use crate::source::Source;

/// Old contents, by their hashes.
#[derive(Default)]
pub struct OldContents<'a> {
    base: Option<(&'a Source, HashMap<Hash, usize>)>,
    kept: Option<(&'a KeptContents, HashSet<Hash>)>,
}

impl<'a> OldContents<'a> {
    /// The contents of a tree, and the kept ones.
    pub fn new(base: Option<&'a Source>, kept: Option<&'a KeptContents>) -> Result<Self> {
        let kept = kept.map(|kept| Ok::<_, Error>((kept, kept.hashes()?))).transpose()?;
        Ok(OldContents { base: base.map(|base| (base, base.public_contents())), kept })
    }

    /// The first eight bytes of every hash as a number, sorted.
    pub fn known(&self) -> Vec<u64> {
        let base = self.base.iter().flat_map(|(_, contents)| contents.keys());
        let kept = self.kept.iter().flat_map(|(_, hashes)| hashes);
        let mut known: Vec<u64> = base.chain(kept).map(Hash::short).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// Fills the buffer with the bytes of the pieces, each padded to the grid. Returns `false` if one cannot be read: another push may have
    /// removed it.
    pub fn read(&self, pieces: &[(Hash, Range<u64>)], whole: &mut Vec<u8>) -> Result<bool> {
        whole.clear();
        for (hash, range) in pieces {
            let length = range.end - range.start;
            if whole.len() as u64 + length > MOST_OLD || !self.has(*hash) {
                return Err(Error::refused("the target asks for an old content that was never offered"));
            }
            let append = |(file, shown): (File, PathBuf)| append_piece(&file, &shown, range, whole);
            if let Err(error) = self.file(*hash).and_then(append) {
                tracing::warn!("an old content cannot be read: {error}");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has(&self, hash: Hash) -> bool {
        self.base.as_ref().is_some_and(|(_, contents)| contents.contains_key(&hash))
            || self.kept.as_ref().is_some_and(|(_, hashes)| hashes.contains(&hash))
    }

    fn file(&self, hash: Hash) -> Result<(File, PathBuf)> {
        if let Some((tree, contents)) = &self.base
            && let Some(&index) = contents.get(&hash)
        {
            let path = tree.manifest.entries()[index].path();
            return Ok((tree.dir.file(path)?, tree.dir.shown(path)));
        }
        let missing = || Error::refused(format!("no content {hash}"));
        let (kept, _) = self.kept.as_ref().ok_or_else(missing)?;
        Ok((kept.file(hash)?, hash.to_string().into()))
    }
}
