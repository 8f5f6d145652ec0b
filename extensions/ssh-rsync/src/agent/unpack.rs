//! Unpacking what has arrived, while the next is received and the last is written.

use std::sync::mpsc::{Receiver, SyncSender};

use delta::Tree;
use delta::blocks::BLOCK;
use delta::difference::{self, Decoder};
use delta::unit::{GRID, Unit};
use delta::update::append_piece;
use system::error::{OrCannot, Result};

use super::write::Arrived;

/// What the sender has answered.
pub struct Answer {
    /// To which request.
    pub unit: Unit,
    /// The difference of its new bytes to those of the basis.
    pub difference: Vec<u8>,
}

/// Unpacks all answers. The buffers of what has been written come back for the next. Ends early where nobody takes what it unpacks.
pub fn unpack(
    basis: Tree<'_>,
    answers: &Receiver<Answer>,
    arrived: &SyncSender<Arrived>,
    free: &Receiver<Arrived>,
) -> Result<()> {
    let mut decoder = Decoder::default();
    while let Ok(Answer { unit, difference }) = answers.recv() {
        let mut next = free.try_recv().unwrap_or_default();
        // Blocks that the basis has too are looked for in any case, and a piece that is shorter has none.
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

/// Fills the buffer with the pieces of the basis, each filled up to the grid. Those of less than `least` bytes are left as zeros.
pub fn read_old(basis: Tree<'_>, unit: &Unit, least: usize, whole: &mut Vec<u8>) -> Result<()> {
    whole.clear();
    for (entry, range) in unit.pieces.iter().filter_map(|piece| piece.old.as_ref()) {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if length < least {
            whole.resize((whole.len() + length).next_multiple_of(GRID), 0);
            continue;
        }
        let path = basis.manifest.entries()[*entry].path();
        let (file, shown) = (basis.dir.file(path)?, basis.dir.shown(path));
        append_piece(&file, &shown, range, whole)?;
    }
    Ok(())
}
