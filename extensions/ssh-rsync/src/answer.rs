//! The sender's answer to a request: the unit's new bytes as a difference, at the effort that the link is worth.

use std::ops::Range;
use std::time::Instant;

use baserock::error::{Error, OrCannot, Result};
use delta::Tree;
use delta::difference::{self, Old};
use delta::entry::Kind;
use delta::segment::SEGMENT;
use delta::unit::GRID;
use delta::update::read_range;

use crate::effort::Effort;
use crate::olds::Olds;
use crate::protocol::Request;
use crate::source::Source;

/// What the sender answers from.
pub struct Answerer<'a> {
    new: Tree<'a>,
    olds: &'a Olds<'a>,
    effort: &'a Effort,
}

impl<'a> Answerer<'a> {
    /// From the new tree, and from what is here of the target's basis.
    pub fn new(new: &'a Source, olds: &'a Olds<'a>, effort: &'a Effort) -> Self {
        Answerer { new: new.tree(), olds, effort }
    }

    /// The answer.
    pub fn answer(&self, request: &Request) -> Result<Vec<u8>> {
        let begun = Instant::now();
        let new = buffer(self.new, &request.new)?;
        let level = self.effort.level(!request.old.is_empty());
        let own = if request.old.is_empty() { None } else { self.olds.buffer(&request.old)? };
        let old = own.as_deref().map_or(Old::Signature(&request.signature), Old::Bytes);
        let made = difference::encode(&new, &old, level);
        let made = made.or_cannot("compress", self.new.dir.shown(""))?;
        self.effort.made(made.len(), begun.elapsed());
        tracing::debug!(
            "answer: {} bytes for {} in {} pieces, with {} pieces of the sender's own and {} bytes of signature, at level {level}",
            made.len(),
            new.len(),
            request.new.len(),
            request.old.len(),
            request.signature.len()
        );
        Ok(made)
    }
}

/// The bytes of the pieces, each filled up to the grid.
fn buffer(tree: Tree<'_>, pieces: &[(usize, Range<u64>)]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    let mut piece = Vec::new();
    for (index, range) in pieces {
        let entry = tree.manifest.entries().get(*index);
        let fits =
            entry.is_some_and(|entry| matches!(entry.kind, Kind::File { size, .. } if range.end <= size));
        let Some(entry) = entry.filter(|_| fits && whole.len() as u64 + (range.end - range.start) <= SEGMENT)
        else {
            return Err(Error::refused("the target asks for something that is not in the tree"));
        };
        let file = tree.dir.file(entry.path())?;
        read_range(&file, &tree.dir.shown(entry.path()), range.start, range.end - range.start, &mut piece)?;
        whole.extend_from_slice(&piece);
        whole.resize(whole.len().next_multiple_of(GRID), 0);
    }
    Ok(whole)
}
