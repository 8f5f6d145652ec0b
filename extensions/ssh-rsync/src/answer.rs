//! The sender's answer to a request: the new bytes of the unit as a difference, compressed with the effort that suits the link.

use std::ops::Range;
use std::time::Instant;

use delta::difference::{Encoder, Old};
use delta::entry::Kind;
use delta::segment::SEGMENT;
use delta::update::append_piece;
use delta::{NewIndex, Tree};
use system::error::{Error, OrCannot, Result};

use crate::effort::Effort;
use crate::old_contents::OldContents;
use crate::protocol::Request;
use crate::source::Source;

/// Makes the answers of a push.
pub struct Answerer<'a> {
    new: Tree<'a>,
    old_contents: &'a OldContents<'a>,
    effort: &'a Effort,
    encoder: Encoder,
    buffer: Vec<u8>,
    old: Vec<u8>,
}

impl<'a> Answerer<'a> {
    /// Answers from the new tree, and from the old contents that the sender has.
    pub fn new(new: &'a Source, old_contents: &'a OldContents<'a>, effort: &'a Effort) -> Self {
        Answerer {
            new: new.tree(),
            old_contents,
            effort,
            encoder: Encoder::default(),
            buffer: Vec::new(),
            old: Vec::new(),
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, request: &Request) -> Result<Vec<u8>> {
        let begun = Instant::now();
        read(self.new, &request.new, &mut self.buffer)?;
        let level = self.effort.level(!request.old.is_empty());
        let has_old = !request.old.is_empty() && self.old_contents.read(&request.old, &mut self.old)?;
        let signature: &[u8] = if self.effort.is_fast() { &[] } else { &request.signature };
        let old = if has_old { Old::Bytes(&self.old) } else { Old::Signature(signature) };
        let made = self.encoder.encode(&self.buffer, &old, level);
        let made = made.or_cannot("compress", self.new.dir.shown(""))?;
        self.effort.made(self.buffer.len(), made.len(), begun.elapsed());
        tracing::debug!(
            "answer: {} bytes for {} in {} pieces, with {} pieces of the sender's own and {} bytes of signature, at level {level}",
            made.len(),
            self.buffer.len(),
            request.new.len(),
            request.old.len(),
            signature.len()
        );
        Ok(made)
    }
}

/// Fills the buffer with the bytes of the pieces, each padded to the grid.
fn read(tree: Tree<'_>, pieces: &[(NewIndex, Range<u64>)], whole: &mut Vec<u8>) -> Result<()> {
    whole.clear();
    for (index, range) in pieces {
        let entry = tree.manifest.entries().get(index.0);
        let fits =
            entry.is_some_and(|entry| matches!(entry.kind, Kind::File { size, .. } if range.end <= size));
        let Some(entry) = entry.filter(|_| fits && whole.len() as u64 + (range.end - range.start) <= SEGMENT)
        else {
            return Err(Error::refused("the target asks for something that is not in the tree"));
        };
        let file = tree.dir.file(entry.path())?;
        append_piece(&file, &tree.dir.shown(entry.path()), range, whole)?;
    }
    Ok(())
}
