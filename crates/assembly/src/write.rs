//! Writes the units that have arrived into the store. Meanwhile the next ones are received and unpacked.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use delta::blocks::{BLOCK, Base, Common};
use delta::plan::Wanted;
use delta::unit::{GRID, Piece, Unit};
use delta::{NewIndex, Tree};
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::sys::btrfs;

use crate::store::Store;

/// A unit that has arrived and is unpacked. Its buffers are used again for a later unit.
#[derive(Default)]
pub struct ReceivedUnit {
    /// The unit.
    pub unit: Unit,
    /// The new bytes of its pieces, in the layout of [`delta::unit`].
    pub new: Vec<u8>,
    /// The bytes of the basis, in the same layout.
    pub old: Vec<u8>,
}

/// Writes units.
pub struct Writer<'a, 's> {
    basis: Tree<'a>,
    by_entry: HashMap<NewIndex, &'a Wanted>,
    store: &'a mut Store<'s>,
    wrong: Vec<Wanted>,
    /// Bytes written since the last commit was requested.
    fresh: usize,
    commits: SyncSender<()>,
}

/// Bytes after which a commit is requested.
const COMMIT_AFTER: usize = 64 << 20;

impl<'a, 's> Writer<'a, 's> {
    /// Writes these contents into the store, and requests a commit ([`commit`]) now and then.
    pub fn new(
        basis: Tree<'a>,
        wanted: &'a [Wanted],
        store: &'a mut Store<'s>,
        commits: SyncSender<()>,
    ) -> Self {
        let by_entry = wanted.iter().map(|wanted| (wanted.entry, wanted)).collect();
        Writer { basis, by_entry, store, wrong: Vec::new(), fresh: 0, commits }
    }

    /// Writes all units that arrive, and gives them back so that their buffers are used again. Returns the contents that do not match their
    /// hash.
    pub fn all(
        mut self,
        arrived: &Receiver<ReceivedUnit>,
        written: &Sender<ReceivedUnit>,
    ) -> Result<Vec<Wanted>> {
        while let Ok(next) = arrived.recv() {
            self.unit(&next)?;
            self.fresh += next.new.len();
            // If the last commit is not done yet, these bytes are left to a later one.
            if self.fresh >= COMMIT_AFTER && self.commits.try_send(()).is_ok() {
                self.fresh = 0;
            }
            // After the last unit the buffers are not needed any more.
            let _unwanted = written.send(next);
        }
        Ok(self.wrong)
    }

    fn unit(&mut self, arrived: &ReceivedUnit) -> Result<()> {
        let mut position = 0;
        for (piece, place) in arrived.unit.places() {
            let length = piece.old.as_ref().map_or(0, |(_, range)| range.end - range.start);
            let old = slice(&arrived.old, position, length);
            position += length.next_multiple_of(GRID as u64);
            let Some(&wanted) = self.by_entry.get(&piece.entry) else { continue };
            let new = slice(&arrived.new, place.start, place.end - place.start);
            if !self.piece(piece, wanted, new, old)? {
                self.wrong.push(*wanted);
            }
        }
        Ok(())
    }

    /// Writes a piece. Blocks that the basis has are shared with it.
    fn piece(&mut self, piece: &Piece, wanted: &Wanted, new: &[u8], old: &[u8]) -> Result<bool> {
        if let Some((entry, range)) = piece.old.as_ref().filter(|_| old.len() >= BLOCK) {
            let common = Common::of(new, old);
            if !common.is_empty() {
                let file = self.basis.dir.file(entry.of(self.basis.manifest).path())?;
                let base = Base { file: &file, start: range.start, common };
                return self.store.write(wanted, piece.new.start, new, Some(&base));
            }
        }
        self.store.write(wanted, piece.new.start, new, None)
    }
}

/// Commits while more is written. A power cut then loses little, and the end of the push does not have to wait for all of it. This is no
/// step of its own, because the kernel would do the same later.
pub fn commit(volume: &Dir, asked: &Receiver<()>) -> Result<()> {
    while asked.recv().is_ok() {
        btrfs::sync(volume.as_fd()).or_cannot("commit", volume.shown(""))?;
    }
    Ok(())
}

fn slice(bytes: &[u8], start: u64, length: u64) -> &[u8] {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = usize::try_from(length).map_or(usize::MAX, |length| start.saturating_add(length));
    bytes.get(start..end).unwrap_or_default()
}
