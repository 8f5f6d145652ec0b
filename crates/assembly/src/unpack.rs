//! Unpacks the answers. Meanwhile the next answer is received and the last unit is written.

use std::sync::mpsc::{Receiver, SyncSender};

use delta::Tree;
use delta::blocks::BLOCK;
use delta::codec::Reader;
use delta::difference::{self, Decoder};
use delta::formed::{Forms, pieces, references};
use delta::unit::{GRID, Unit, length};
use delta::update::append_piece;
use system::error::{OrCannot, Result};

use crate::write::ReceivedUnit;

/// The answer to a request for a unit.
pub struct Answer {
    /// The requested unit.
    pub unit: Unit,
    /// The forms of its new pieces, and these pieces as a difference to those of the basis.
    pub content: Vec<u8>,
}

/// Unpacks all answers; `from` names in messages whose they are. Units that have been written come back through `free`, so that their buffers are used again. Ends early if the
/// thread that writes the units has ended.
pub fn unpack(
    basis: Tree<'_>,
    from: &str,
    answers: &Receiver<Answer>,
    arrived: &SyncSender<ReceivedUnit>,
    free: &Receiver<ReceivedUnit>,
) -> Result<()> {
    let mut unpacker =
        Unpacker { basis, from, decoder: Decoder::default(), formed: Vec::new(), references: Vec::new() };
    while let Ok(Answer { unit, content }) = answers.recv() {
        let mut next = free.try_recv().unwrap_or_default();
        next.unit = unit;
        unpacker.unpack(&content, &mut next)?;
        if arrived.send(next).is_err() {
            break;
        }
    }
    Ok(())
}

/// Makes new bytes from answers. It keeps its buffers from one to the next.
struct Unpacker<'a> {
    basis: Tree<'a>,
    from: &'a str,
    decoder: Decoder,
    formed: Vec<u8>,
    references: Vec<u8>,
}

impl Unpacker<'_> {
    /// Fills the buffers of the unit.
    fn unpack(&mut self, content: &[u8], ReceivedUnit { unit, new, old }: &mut ReceivedUnit) -> Result<()> {
        let mut rest = Reader(content);
        let forms = Forms::read(&mut rest, unit.new_lengths()).or_cannot("use what came from", self.from)?;
        let difference = rest.0;
        // The old bytes are read even if the difference does not need them: the blocks that they have in common with the new ones are
        // shared. Pieces shorter than a block have none.
        let needs_old = difference::needs_old(difference);
        read_old(self.basis, unit, if needs_old { 0 } else { BLOCK }, old)?;
        let Some(forms) = forms else {
            let size = usize::try_from(unit.new_bytes()).unwrap_or(usize::MAX);
            let decoded = self.decoder.decode(difference, old, size, new);
            return decoded.or_cannot("use what came from", self.from);
        };
        if needs_old {
            references(pieces(old, unit.old_lengths()), &mut self.references);
        }
        let decoded = self.decoder.decode(difference, &self.references, forms.size(), &mut self.formed);
        decoded.or_cannot("use what came from", self.from)?;
        if let Err(error) = forms.decode(&self.formed, unit.new_lengths(), new) {
            tracing::warn!("a piece has to come again: {error}");
        }
        Ok(())
    }
}

/// Fills the buffer with the pieces of the basis, each padded to the grid. Zeros take the place of pieces shorter than `least` bytes.
pub fn read_old(basis: Tree<'_>, unit: &Unit, least: usize, whole: &mut Vec<u8>) -> Result<()> {
    whole.clear();
    for (entry, range) in unit.pieces.iter().filter_map(|piece| piece.old.as_ref()) {
        let length = length(range);
        if length < least {
            whole.resize((whole.len() + length).next_multiple_of(GRID), 0);
            continue;
        }
        let path = entry.of(basis.manifest).path();
        let (file, shown) = (basis.dir.file(path)?, basis.dir.shown(path));
        append_piece(&file, &shown, range, whole)?;
    }
    Ok(())
}
