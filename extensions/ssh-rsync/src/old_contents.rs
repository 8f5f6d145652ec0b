//! The old contents that the sender has: those of the tree in `BASE_ROOT`, and those that it keeps from earlier pushes.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use delta::hash::Hash;
use delta::unit::MOST_OLD;
use delta::update::append_piece;
use system::error::{Error, Result};

use crate::kept_contents::KeptContents;
use crate::protocol::Ask;
use crate::source::Source;

/// Old contents, by their hashes.
pub struct OldContents<'a> {
    base: Option<(&'a Source, HashMap<Hash, usize>)>,
    kept: Option<(&'a KeptContents, HashSet<Hash>)>,
    /// Those that the target has asked for.
    offered: OnceLock<HashSet<Hash>>,
}

impl<'a> OldContents<'a> {
    /// The contents of a tree, and the kept ones.
    pub fn new(base: Option<&'a Source>, kept: Option<&'a KeptContents>) -> Result<Self> {
        let kept = kept.map(|kept| Ok::<_, Error>((kept, kept.hashes()?))).transpose()?;
        Ok(OldContents {
            base: base.map(|base| (base, base.public_contents())),
            kept,
            offered: OnceLock::new(),
        })
    }

    /// For each content that the target asks for, 1 if the sender has it, else 0. It may ask once.
    pub fn offer(&self, ask: &Ask) -> Result<Vec<u8>> {
        let base = self.base.iter().flat_map(|(_, contents)| contents.keys());
        let kept = self.kept.iter().flat_map(|(_, hashes)| hashes);
        let own: HashMap<u64, Hash> = base.chain(kept).map(|hash| (hash.keyed(&ask.key), *hash)).collect();
        let offered = ask.hashes.iter().filter_map(|hash| own.get(hash).copied()).collect();
        let twice = |_| Error::refused("the target asks for old contents a second time");
        self.offered.set(offered).map_err(twice)?;
        Ok(ask.hashes.iter().map(|hash| u8::from(own.contains_key(hash))).collect())
    }

    /// Fills the buffer with the bytes of the pieces, each padded to the grid. Returns `false` if one cannot be read: another push may have
    /// removed it.
    pub fn read(&self, pieces: &[(Hash, Range<u64>)], whole: &mut Vec<u8>) -> Result<bool> {
        whole.clear();
        for (hash, range) in pieces {
            let length = range.end - range.start;
            if whole.len() as u64 + length > MOST_OLD || !self.has_offered(*hash) {
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

    /// Opens a content. Returns `None` if it cannot be read, as [`OldContents::read`].
    pub fn open(&self, hash: Hash) -> Result<Option<File>> {
        if !self.has_offered(hash) {
            return Err(Error::refused("the target asks for an old content that was never offered"));
        }
        match self.file(hash) {
            Ok((file, _)) => Ok(Some(file)),
            Err(error) => {
                tracing::warn!("an old content cannot be read: {error}");
                Ok(None)
            }
        }
    }

    fn has_offered(&self, hash: Hash) -> bool {
        self.offered.get().is_some_and(|offered| offered.contains(&hash))
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
