//! Requests the missing contents, a few units ahead, and passes the answers on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use delta::entry::Kind;
use delta::formed::{pieces, references};
use delta::hash::Hash;
use delta::matches;
use delta::plan::Wanted;
use delta::unit::{Unit, units};
use delta::{OldIndex, Tree};
use system::dir::Dir;
use system::error::{Error, Result};

use super::contents::Store;
use super::recipes::{self, Arriving};
use super::recreate::recreate;
use super::unpack::{Answer, read_old, unpack};
use super::write::{ReceivedUnit, Writer, commit};
use crate::channel::{Receiver, Sender};
use crate::join;
use crate::protocol::{Request, kind};

/// Units that are requested before the first of them has arrived: enough to keep a slow link busy, and few enough for a small memory.
const AHEAD: usize = 4;
/// Answers that wait until they are unpacked. Without them, the sender would take a slow machine for a slow link.
const WAITING: usize = 2;

/// The state of receiving.
pub struct Receive<'a> {
    /// To the sender.
    pub sender: &'a Sender,
    /// From the sender.
    pub receiver: &'a mut Receiver,
    /// The volume.
    pub volume: &'a Dir,
    /// The tree that the new tree is made from.
    pub basis: Tree<'a>,
    /// The new tree, which has the contents that have arrived.
    pub new: Tree<'a>,
    /// The contents of the basis that the sender has.
    pub known: &'a HashSet<Hash>,
    /// Whether contents have to come as they are.
    pub is_plain: bool,
}

/// The old bytes of a unit, and the same as new ones are compared with them. Their memory is used again for the next unit.
#[derive(Default)]
struct OldBytes {
    old: Vec<u8>,
    references: Vec<u8>,
}

impl Receive<'_> {
    /// Brings all wanted contents into the store; `have` tells how many bytes of each are there. Contents that pack files of the tree come
    /// last, by their recipes, or in units if that fails. A content that arrives damaged is requested once more, without a basis and as it
    /// is.
    pub fn all(&mut self, wanted: &[Wanted], store: &mut Store<'_>, have: &HashMap<Hash, u64>) -> Result<()> {
        let missing = wanted.iter().map(|wanted| (wanted, have.get(&wanted.hash).copied().unwrap_or(0)));
        let (missing, there): (Vec<_>, Vec<_>) = missing.partition(|(wanted, have)| *have < wanted.size);
        for (wanted, _) in there {
            if wanted.size > 0 {
                store.collected(wanted)?;
            } else if !store.write(wanted, 0, &[], None)? {
                return Err(Error::refused(
                    "the manifest names a file without content by the hash of another",
                ));
            }
        }
        let wrong = self.by_recipe_or_unit(wanted, missing, store, have)?;
        let whole: Vec<Wanted> = wrong.into_iter().map(|wanted| Wanted { like: None, ..wanted }).collect();
        self.is_plain = true;
        let wrong =
            self.units(&whole, whole.iter().map(|wanted| (wanted, 0)), store, &mut Arriving::none())?;
        match wrong.first() {
            None => Ok(()),
            Some(wanted) => Err(Error::refused(format!(
                "a file of {} bytes has arrived damaged twice; check that nothing writes to TEMP_ROOT, and try again",
                wanted.size
            ))),
        }
    }

    /// Returns the contents that arrived and do not match their hash. Recipes are made while units arrive, and need the contents of units, so
    /// the contents that they describe come last.
    fn by_recipe_or_unit(
        &mut self,
        wanted: &[Wanted],
        missing: Vec<(&Wanted, u64)>,
        store: &mut Store<'_>,
        have: &HashMap<Hash, u64>,
    ) -> Result<Vec<Wanted>> {
        let candidates = recipes::candidates(self.basis, missing.iter().map(|(wanted, _)| *wanted))?;
        let is_other = |(wanted, _): &(&Wanted, u64)| !candidates.contains(wanted);
        let missing: Vec<_> = missing.into_iter().filter(is_other).collect();
        let (literals, of_old) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let mut arriving = Arriving::new(candidates.clone(), of_old, Some(begin));
        let (sender, basis, known) = (self.sender, self.basis, self.known);
        let mut wrong = thread::scope(|scope| {
            let asking =
                scope.spawn(move || recipes::ask(sender, basis, known, &candidates, &begun, &literals));
            let wrong = self.units(wanted, missing.into_iter(), store, &mut arriving);
            arriving.begin();
            let wrong = wrong.and_then(|wrong| self.recipes(&mut arriving).map(|()| wrong));
            // What fails in the other thread is the cause of what fails here.
            join(asking).and(wrong)
        })?;
        let others = std::mem::take(&mut arriving.others);
        let others = others.iter().map(|wanted| (wanted, have.get(&wanted.hash).copied().unwrap_or(0)));
        wrong.extend(self.units(wanted, others, store, &mut arriving)?);
        let failed = recreate(self.new, std::mem::take(&mut arriving.recipes), store)?;
        wrong.extend(self.units(wanted, failed.iter().map(|wanted| (wanted, 0)), store, &mut arriving)?);
        Ok(wrong)
    }

    /// Receives the recipes that have yet to arrive.
    fn recipes(&mut self, arriving: &mut Arriving) -> Result<()> {
        while arriving.is_awaited() {
            let frame = self.receiver.receive()?;
            match frame.kind {
                kind::RECIPE => arriving.take(&frame.content)?,
                other => return Err(unknown(other)),
            }
        }
        Ok(())
    }

    /// Returns the contents that arrived and do not match their hash. While one unit is received, the one before is unpacked, and the one
    /// before that is written.
    fn units<'w>(
        &mut self,
        wanted: &[Wanted],
        missing: impl Iterator<Item = (&'w Wanted, u64)>,
        store: &mut Store<'_>,
        arriving: &mut Arriving,
    ) -> Result<Vec<Wanted>> {
        // A whole unit is compressed against old contents that the sender has, or against a signature. So contents whose predecessor the
        // sender has are not put in one unit with others.
        let (known, others): (Vec<_>, Vec<_>) =
            missing.partition(|(wanted, _)| wanted.like.is_some_and(|like| self.known_hash(like).is_some()));
        let units: VecDeque<Unit> = [known, others]
            .into_iter()
            .flat_map(|group| units(group.into_iter(), self.basis.manifest))
            .collect();
        let (basis, volume) = (self.basis, self.volume);
        thread::scope(|scope| {
            let (answers, to_unpack) = mpsc::sync_channel::<Answer>(WAITING);
            // At most two unpacked units are in memory: one that is being unpacked and one that is being written.
            let (arrived, to_write) = mpsc::sync_channel::<ReceivedUnit>(0);
            let (written, free) = mpsc::channel::<ReceivedUnit>();
            let (commits, to_commit) = mpsc::sync_channel(0);
            let writer = Writer::new(basis, wanted, store, commits);
            let committing = scope.spawn(move || commit(volume, &to_commit));
            let unpacking = scope.spawn(move || unpack(basis, &to_unpack, &arrived, &free));
            let writing = scope.spawn(move || writer.all(&to_write, &written));
            let received = self.receive(units, &answers, arriving);
            drop(answers);
            let (unpacked, wrong, committed) = (join(unpacking), join(writing), join(committing));
            // A thread that fails ends the threads before it, so the error of the last one is the cause.
            let wrong = wrong?;
            committed.and(unpacked).and(received).map(|()| wrong)
        })
    }

    /// Requests the units and receives the answers. Ends early if the thread that unpacks them has ended.
    fn receive(
        &mut self,
        mut units: VecDeque<Unit>,
        answers: &SyncSender<Answer>,
        arriving: &mut Arriving,
    ) -> Result<()> {
        let mut asked: VecDeque<Unit> = VecDeque::new();
        let (mut is_fast, mut buffers) = (false, OldBytes::default());
        loop {
            while asked.len() < AHEAD {
                let Some(unit) = units.pop_front() else { break };
                self.ask(&unit, is_fast, &mut buffers)?;
                asked.push_back(unit);
            }
            if asked.is_empty() {
                return Ok(());
            }
            let frame = self.receiver.receive()?;
            is_fast = match frame.kind {
                kind::ANSWER => false,
                kind::QUICK_ANSWER => true,
                kind::RECIPE => {
                    arriving.take(&frame.content)?;
                    continue;
                }
                other => return Err(unknown(other)),
            };
            self.sender.send(kind::ARRIVED, &[])?;
            arriving.answered(is_fast);
            let Some(unit) = asked.pop_front() else { return Ok(()) };
            if answers.send(Answer { unit, content: frame.content }).is_err() {
                return Ok(());
            }
        }
    }

    /// Requests a unit. On a fast link the request has no signature, because that would take more time than it saves.
    fn ask(&self, unit: &Unit, is_fast: bool, buffers: &mut OldBytes) -> Result<()> {
        let new = unit.pieces.iter().map(|piece| (piece.entry, piece.new.clone())).collect();
        let olds = unit.pieces.iter().filter_map(|piece| piece.old.as_ref());
        let hashes = olds.map(|(entry, range)| Some((self.known_hash(*entry)?, range.clone())));
        let request = Request { new, is_plain: self.is_plain, ..Request::default() };
        let request = match hashes.collect::<Option<Vec<_>>>() {
            Some(old) if !old.is_empty() => Request { old, ..request },
            _ if is_fast => request,
            _ => {
                read_old(self.basis, unit, 0, &mut buffers.old)?;
                references(pieces(&buffers.old, unit.old_lengths()), &mut buffers.references);
                Request { signature: matches::signature(&buffers.references), ..request }
            }
        };
        self.sender.send(kind::REQUEST, &request.to_bytes())
    }

    /// The hash of a file of the basis, if the sender has its content.
    fn known_hash(&self, entry: OldIndex) -> Option<Hash> {
        match entry.of(self.basis.manifest).kind {
            Kind::File { hash, .. } if self.known.contains(&hash) => Some(hash),
            _ => None,
        }
    }
}

fn unknown(kind: u8) -> Error {
    Error::refused(format!("the sender sent an unknown message ({kind})"))
}
