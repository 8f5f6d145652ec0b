//! Writing what has arrived into the store, while the next is received.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use delta::Tree;
use delta::blocks::{BLOCK, Base, Common};
use delta::plan::Wanted;
use delta::unit::{GRID, Piece, Unit};
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::sys::btrfs;

use super::contents::Store;

/// A unit that has arrived. Its buffers are used again for the next.
#[derive(Default)]
pub struct Arrived {
    /// What it is.
    pub unit: Unit,
    /// The new bytes of its pieces, as [`delta::unit`] has them.
    pub new: Vec<u8>,
    /// Those of the basis.
    pub old: Vec<u8>,
}

/// Writes units.
pub struct Writer<'a, 's> {
    basis: Tree<'a>,
    by_entry: HashMap<usize, &'a Wanted>,
    store: &'a mut Store<'s>,
    wrong: Vec<Wanted>,
    /// Bytes since the last commit was asked for.
    fresh: usize,
    commits: SyncSender<()>,
}

/// Bytes after which they are committed.
const COMMIT_AFTER: usize = 64 << 20;

impl<'a, 's> Writer<'a, 's> {
    /// Of these contents, into the store; now and then it asks for a commit ([`commit`]).
    pub fn new(
        basis: Tree<'a>,
        wanted: &'a [Wanted],
        store: &'a mut Store<'s>,
        commits: SyncSender<()>,
    ) -> Self {
        let by_entry = wanted.iter().map(|wanted| (wanted.entry, wanted)).collect();
        Writer { basis, by_entry, store, wrong: Vec::new(), fresh: 0, commits }
    }

    /// Writes all that arrives, and gives it back for its buffers. Returns the contents that are not what their hash says.
    pub fn all(mut self, arrived: &Receiver<Arrived>, written: &Sender<Arrived>) -> Result<Vec<Wanted>> {
        while let Ok(next) = arrived.recv() {
            self.unit(&next)?;
            self.fresh += next.new.len();
            // Where the disk is still busy with the last one, the next one takes all.
            if self.fresh >= COMMIT_AFTER && self.commits.try_send(()).is_ok() {
                self.fresh = 0;
            }
            // After the last unit nobody wants them any more.
            let _unwanted = written.send(next);
        }
        Ok(self.wrong)
    }

    fn unit(&mut self, arrived: &Arrived) -> Result<()> {
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

    /// Blocks that the basis has are shared with it.
    fn piece(&mut self, piece: &Piece, wanted: &Wanted, new: &[u8], old: &[u8]) -> Result<bool> {
        if let Some((entry, range)) = piece.old.as_ref().filter(|_| old.len() >= BLOCK) {
            let common = Common::of(new, old);
            if !common.is_empty() {
                let file = self.basis.dir.file(self.basis.manifest.entries()[*entry].path())?;
                let base = Base { file: &file, start: range.start, common };
                return self.store.write(wanted, piece.new.start, new, Some(&base));
            }
        }
        self.store.write(wanted, piece.new.start, new, None)
    }
}

/// Commits while more is written, so that a power cut takes little of what has arrived, and the end does not have to wait for all of it.
/// Changes nothing by itself: the kernel would do it, later.
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
