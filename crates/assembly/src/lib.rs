//! Puts the contents of a new tree together from answers that arrive: from another machine, or from a file.
//!
//! [`assemble`] carries out [`Filling::apply`]. Its caller brings the answers: [`Assembly::units`] unpacks and writes them in threads of
//! their own, and [`Assembly::recreate`] makes contents again from their recipes. Nothing that arrives is trusted: a content gets its name
//! when its hash is right.

mod progress;
mod recreate;
mod store;
mod unpack;
mod write;

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use baserock::operations::upgrade::Filling;
use delta::Tree;
use delta::apply::Stats;
use delta::plan::Wanted;
use delta::recipe::Recipe;
use delta::unit::Unit;
use system::error::{Error, Result};
use system::thread::join;

pub use store::Store;
pub use unpack::{Answer, read_old};

use progress::Progress;
use recreate::Recreate;
use unpack::unpack;
use write::{ReceivedUnit, Writer, commit};

/// Answers that wait until they are unpacked. Without them, the sender would take a slow machine for a slow link.
const WAITING: usize = 2;

/// A new tree whose contents arrive.
#[derive(Clone, Copy)]
pub struct Assembly<'a> {
    filling: &'a Filling<'a>,
    /// Where contents come from, as messages name it.
    from: &'a str,
    progress: &'a Progress,
}

/// Carries out the filling; `bring` brings the wanted contents while the tree is prepared. `from` names in messages where they come from.
pub fn assemble(
    filling: &Filling<'_>,
    from: &str,
    bring: impl FnOnce(Assembly<'_>) -> Result<()>,
) -> Result<Stats> {
    let progress = Progress::default();
    let assembly = Assembly { filling, from, progress: &progress };
    thread::scope(|scope| {
        let preparing = scope.spawn(|| progress.prepare(|| filling.apply.prepare()));
        let brought = bring(assembly);
        join(preparing).and(brought)
    })?;
    filling.apply.finish()
}

impl<'a> Assembly<'a> {
    /// The tree that the new tree is made from.
    pub fn basis(self) -> Tree<'a> {
        self.filling.apply.basis
    }

    /// Writes contents, and gives them their names.
    pub fn store(self) -> Store<'a> {
        Store::new(self.filling.parts, self.filling.apply.placer(), self.progress)
    }

    /// Gives their names to contents that are there. Returns those that are missing, and how many bytes of each are there.
    pub fn missing(self, store: &mut Store<'_>) -> Result<Vec<(&'a Wanted, u64)>> {
        let wanted = self.filling.apply.plan.wanted.iter();
        let wanted = wanted.map(|wanted| (wanted, self.filling.have.get(&wanted.hash).copied().unwrap_or(0)));
        let (missing, there): (Vec<_>, Vec<_>) = wanted.partition(|(wanted, have)| *have < wanted.size);
        for (wanted, _) in there {
            if wanted.size > 0 {
                store.collected(wanted)?;
            } else if !store.write(wanted, 0, &[], None)? {
                return Err(Error::refused(
                    "the manifest names a file without content by the hash of another",
                ));
            }
        }
        Ok(missing)
    }

    /// Writes the units of these contents that `bring` brings. While one is brought, the one before is unpacked, and the one before that is
    /// written. Returns the contents that do not match their hash. `bring` ends when it cannot pass an answer on: the error of the other
    /// thread is then returned.
    pub fn units(
        self,
        wanted: &[Wanted],
        store: &mut Store<'_>,
        bring: impl FnOnce(&SyncSender<Answer>) -> Result<()>,
    ) -> Result<Vec<Wanted>> {
        let (basis, from, volume) = (self.basis(), self.from, self.filling.volume);
        thread::scope(|scope| {
            let (answers, to_unpack) = mpsc::sync_channel::<Answer>(WAITING);
            // At most two unpacked units are in memory: one that is being unpacked and one that is being written.
            let (arrived, to_write) = mpsc::sync_channel::<ReceivedUnit>(0);
            let (written, free) = mpsc::channel::<ReceivedUnit>();
            let (commits, to_commit) = mpsc::sync_channel(0);
            let writer = Writer::new(basis, wanted, store, commits);
            let committing = scope.spawn(move || commit(volume, &to_commit));
            let unpacking = scope.spawn(move || unpack(basis, from, &to_unpack, &arrived, &free));
            let writing = scope.spawn(move || writer.all(&to_write, &written));
            let brought = bring(&answers);
            drop(answers);
            let (unpacked, wrong, committed) = (join(unpacking), join(writing), join(committing));
            // A thread that fails ends the threads before it, so the error of the last one is the cause.
            let wrong = wrong?;
            committed.and(unpacked).and(brought).map(|()| wrong)
        })
    }

    /// Makes the contents of these recipes again while others arrive, until [`Assembly::over`]. Returns those that did not come out right.
    pub fn recreate(self, recipes: &Receiver<(Wanted, Recipe)>) -> Result<Vec<Wanted>> {
        let apply = self.filling.apply;
        let new = Tree { dir: apply.into, manifest: apply.new };
        Recreate::new(new, &apply.plan.wanted, self.progress, self.store()).all(recipes)
    }

    /// Says that no contents arrive any more that a recipe could wait for.
    pub fn over(self) {
        self.progress.over();
    }
}

/// The units with those first that have one of the files. A file that is in several units stays in order.
pub fn with_first(units: impl Iterator<Item = Unit>, is_first: impl Fn(&Unit) -> bool) -> Vec<Unit> {
    let (mut first, mut later) = (Vec::new(), Vec::new());
    let mut was_first = true;
    for unit in units {
        // The unit before has the beginning of its first file, or that was requested already.
        let continues = unit.pieces.first().is_some_and(|piece| piece.new.start > 0);
        was_first = if continues { was_first } else { is_first(&unit) };
        if was_first { first.push(unit) } else { later.push(unit) }
    }
    first.append(&mut later);
    first
}

#[cfg(test)]
mod tests {
    use delta::NewIndex;
    use delta::unit::Piece;

    use super::*;

    #[test]
    fn a_file_in_several_units_stays_in_order() {
        let unit = |pieces: &[(usize, u64)]| Unit {
            pieces: pieces
                .iter()
                .map(|(entry, start)| Piece { entry: NewIndex(*entry), new: *start..start + 1, old: None })
                .collect(),
        };
        let units = [unit(&[(0, 8)]), unit(&[(1, 0)]), unit(&[(2, 0), (3, 0)]), unit(&[(3, 8), (9, 0)])];
        let has = |wanted: usize| move |unit: &Unit| unit.pieces.iter().any(|p| p.entry == NewIndex(wanted));
        let order = |wanted| {
            let sorted = with_first(units.clone().into_iter(), has(wanted));
            sorted.iter().map(|unit| unit.pieces[0].entry.0).collect::<Vec<_>>()
        };
        assert_eq!(order(2), [0, 2, 3, 1]);
        assert_eq!(order(9), [0, 1, 2, 3], "it would come before the beginning of another");
    }
}
