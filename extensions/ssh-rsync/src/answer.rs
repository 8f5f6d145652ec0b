//! The sender's answer to a request: the new pieces of the unit in the forms that make them small, as a difference to the old ones,
//! compressed with the effort that suits the link.

use std::ops::Range;
use std::time::Instant;

use delta::codec::Writer;
use delta::difference::{Encoder, Old};
use delta::entry::Kind;
use delta::formed::{Forms, pieces, references};
use delta::segment::SEGMENT;
use delta::unit::length;
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
    /// The new pieces, and the old ones.
    new_bytes: Vec<u8>,
    old_bytes: Vec<u8>,
    /// The same in their forms.
    formed: Vec<u8>,
    references: Vec<u8>,
}

impl<'a> Answerer<'a> {
    /// Answers from the new tree, and from the old contents that the sender has.
    pub fn new(new: &'a Source, old_contents: &'a OldContents<'a>, effort: &'a Effort) -> Self {
        Answerer {
            new: new.tree(),
            old_contents,
            effort,
            encoder: Encoder::default(),
            new_bytes: Vec::new(),
            old_bytes: Vec::new(),
            formed: Vec::new(),
            references: Vec::new(),
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, request: &Request) -> Result<Vec<u8>> {
        let begun = Instant::now();
        read(self.new, &request.new, &mut self.new_bytes)?;
        let has_old = !request.old.is_empty() && self.old_contents.read(&request.old, &mut self.old_bytes)?;
        // A fast link carries the bytes in less time than it takes to give them another form, or to look for those that the target has.
        let is_fast = self.effort.is_fast();
        let forms = (!is_fast && !request.is_plain).then(|| self.form(request, has_old));
        let (new, old) = match &forms {
            Some(_) => (&self.formed, &self.references),
            None => (&self.new_bytes, &self.old_bytes),
        };
        let signature: &[u8] = if is_fast { &[] } else { &request.signature };
        let old = if has_old { Old::Bytes(old) } else { Old::Signature(signature) };
        let level = self.effort.level(&old);
        let mut answer = Writer::default();
        Forms::write(forms.as_ref(), &mut answer);
        let difference = self.encoder.encode(new, &old, level);
        answer.raw(&difference.or_cannot("compress", self.new.dir.shown(""))?);
        let Writer(made) = answer;
        self.effort.made(self.new_bytes.len(), made.len(), begun.elapsed());
        tracing::debug!(
            "answer: {} bytes for {} in {} pieces, with {} pieces of the sender's own and {} bytes of signature, at level {level}",
            made.len(),
            self.new_bytes.len(),
            request.new.len(),
            request.old.len(),
            signature.len()
        );
        Ok(made)
    }

    /// Gives the new pieces, and the old ones if they are there, their forms.
    fn form(&mut self, request: &Request, has_old: bool) -> Forms {
        if has_old {
            let lengths = request.old.iter().map(|(_, range)| length(range));
            references(pieces(&self.old_bytes, lengths), &mut self.references);
        }
        let lengths = request.new.iter().map(|(_, range)| length(range));
        Forms::encode(pieces(&self.new_bytes, lengths), &mut self.formed)
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
