//! The sender's answer to a request: the unit's new bytes as a difference, at the effort that the link is worth.

use std::ops::Range;

use baserock::error::{Error, OrCannot, Result};
use delta::Tree;
use delta::difference::{self, Old};
use delta::entry::Kind;
use delta::segment::SEGMENT;
use delta::unit::GRID;
use delta::update::read_range;

use crate::olds::Olds;
use crate::protocol::Request;
use crate::source::Source;

/// What the sender answers from.
pub struct Answerer<'a> {
    new: Tree<'a>,
    olds: &'a Olds<'a>,
    effort: Effort,
}

impl<'a> Answerer<'a> {
    /// From the new tree, and from what is here of the target's basis.
    pub fn new(new: &'a Source, olds: &'a Olds<'a>) -> Self {
        Answerer { new: new.tree(), olds, effort: Effort::default() }
    }

    /// The answer. `waiting` tells whether earlier answers still wait for the link.
    pub fn answer(&mut self, request: &Request, waiting: bool) -> Result<Vec<u8>> {
        let new = buffer(self.new, &request.new)?;
        let level = self.effort.next(waiting, !request.old.is_empty());
        let own = if request.old.is_empty() { None } else { self.olds.buffer(&request.old)? };
        let old = own.as_deref().map_or(Old::Signature(&request.signature), Old::Bytes);
        let made = difference::encode(&new, &old, level);
        let made = made.or_cannot("compress", self.new.dir.shown(""))?;
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

/// How hard to compress: harder while the link is what takes the time, quicker while it waits.
struct Effort(usize);

/// zstd's levels, from quick to small. The last is left out with a prefix: it would take too much memory.
const LEVELS: [i32; 5] = [1, 3, 6, 9, 12];

impl Default for Effort {
    fn default() -> Self {
        Effort(1)
    }
}

impl Effort {
    fn next(&mut self, waiting: bool, with_prefix: bool) -> i32 {
        let most = LEVELS.len() - if with_prefix { 2 } else { 1 };
        self.0 = if waiting { (self.0 + 1).min(most) } else { self.0.saturating_sub(1) };
        LEVELS[self.0]
    }
}
