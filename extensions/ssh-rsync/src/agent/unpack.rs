//! Unpacks the answers. Meanwhile the next answer is received and the last unit is written.

use std::sync::mpsc::{Receiver, SyncSender};

use delta::Tree;
use delta::blocks::BLOCK;
use delta::difference::{self, Decoder};
use delta::unit::{GRID, Unit};
use delta::update::append_piece;
use system::error::{OrCannot, Result};

use super::write::ReceivedUnit;

/// An answer of the sender.
pub struct Answer {
    /// The requested unit.
    pub unit: Unit,
    /// The new bytes of the unit, as a difference to those of the basis.
    pub difference: Vec<u8>,
}

/// Unpacks all answers. Units that have been written come back through `free`, so that their buffers are used again. Ends early if the
/// thread that writes the units has ended.
pub fn unpack(
    basis: Tree<'_>,
    answers: &Receiver<Answer>,
    arrived: &SyncSender<ReceivedUnit>,
    free: &Receiver<ReceivedUnit>,
) -> Result<()> {
    let mut decoder = Decoder::default();
    while let Ok(Answer { unit, difference }) = answers.recv() {
        let mut next = free.try_recv().unwrap_or_default();
        // The old bytes are read even if the difference does not need them: the blocks that they have in common with the new ones are
        // shared. Pieces shorter than a block have none.
        let least = if difference::needs_old(&difference) { 0 } else { BLOCK };
        read_old(basis, &unit, least, &mut next.old)?;
        let size = usize::try_from(unit.new_bytes()).unwrap_or(usize::MAX);
        let decoded = decoder.decode(&difference, &next.old, size, &mut next.new);
        decoded.or_cannot("use what came from", "the sender")?;
        next.unit = unit;
        if arrived.send(next).is_err() {
            break;
        }
    }
    Ok(())
}

/// Fills the buffer with the pieces of the basis, each padded to the grid. Zeros take the place of pieces shorter than `least` bytes.
pub fn read_old(basis: Tree<'_>, unit: &Unit, least: usize, whole: &mut Vec<u8>) -> Result<()> {
    whole.clear();
    for (entry, range) in unit.pieces.iter().filter_map(|piece| piece.old.as_ref()) {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
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
