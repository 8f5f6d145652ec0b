//! Asking for what is missing, a few units ahead, and passing on what comes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use delta::Tree;
use delta::difference;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::unit::{Unit, units};
use system::dir::Dir;
use system::error::{Error, Result};

use super::contents::Store;
use super::unpack::{Answer, read_old, unpack};
use super::write::{Arrived, Writer, commit};
use crate::channel::{Receiver, Sender};
use crate::join;
use crate::protocol::{Request, kind};

/// Units that are asked for before the first of them has come: enough to keep a slow link busy, few enough for anybody's memory.
const AHEAD: usize = 4;
/// Answers that wait until they are unpacked: the sender is not to take this machine's slowness for the link's.
const WAITING: usize = 2;

/// What arrives, from whom, and what it is compared to.
pub struct Receive<'a> {
    /// To the sender.
    pub sender: &'a Sender,
    /// From the sender.
    pub receiver: &'a mut Receiver,
    /// The volume.
    pub volume: &'a Dir,
    /// What the new tree is made from.
    pub basis: Tree<'a>,
    /// The beginnings of the hashes of the contents that the sender has.
    pub known: &'a HashSet<u64>,
}

impl Receive<'_> {
    /// Brings all wanted contents into the store; `have` tells what is there. One that arrives wrong is asked for whole, once.
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
        let wrong = self.units(wanted, missing.into_iter(), store)?;
        let whole: Vec<Wanted> = wrong.into_iter().map(|wanted| Wanted { like: None, ..wanted }).collect();
        let wrong = self.units(&whole, whole.iter().map(|wanted| (wanted, 0)), store)?;
        match wrong.first() {
            None => Ok(()),
            Some(wanted) => Err(Error::refused(format!(
                "a file of {} bytes has arrived damaged twice; try again, and look whether TEMP_ROOT is being written to",
                wanted.size
            ))),
        }
    }

    /// Returns the contents that arrived and are not what their hash says. While one unit is received, the one
    /// before is unpacked, and the one before that is written.
    fn units<'w>(
        &mut self,
        wanted: &[Wanted],
        missing: impl Iterator<Item = (&'w Wanted, u64)>,
        store: &mut Store<'_>,
    ) -> Result<Vec<Wanted>> {
        // A unit travels in one way: what the sender has the predecessor of, apart from what it has not.
        let (known, others): (Vec<_>, Vec<_>) =
            missing.partition(|(wanted, _)| wanted.like.is_some_and(|like| self.known_hash(like).is_some()));
        let units: VecDeque<Unit> = [known, others]
            .into_iter()
            .flat_map(|group| units(group.into_iter(), self.basis.manifest))
            .collect();
        let (basis, volume) = (self.basis, self.volume);
        thread::scope(|scope| {
            let (answers, to_unpack) = mpsc::sync_channel::<Answer>(WAITING);
            // Two units are unpacked in memory, and no more: one that is being unpacked and one that is being written.
            let (arrived, to_write) = mpsc::sync_channel::<Arrived>(0);
            let (written, free) = mpsc::channel::<Arrived>();
            let (commits, to_commit) = mpsc::sync_channel(0);
            let writer = Writer::new(basis, wanted, store, commits);
            let committing = scope.spawn(move || commit(volume, &to_commit));
            let unpacking = scope.spawn(move || unpack(basis, &to_unpack, &arrived, &free));
            let writing = scope.spawn(move || writer.all(&to_write, &written));
            let received = self.receive(units, &answers);
            drop(answers);
            let (unpacked, wrong, committed) = (join(unpacking), join(writing), join(committing));
            // Whoever is further on ends the others by ending.
            let wrong = wrong?;
            committed.and(unpacked).and(received).map(|()| wrong)
        })
    }

    /// Ends early where those who take the answers have.
    fn receive(&mut self, mut units: VecDeque<Unit>, answers: &SyncSender<Answer>) -> Result<()> {
        let mut asked: VecDeque<Unit> = VecDeque::new();
        let (mut is_fast, mut buffer) = (false, Vec::new());
        loop {
            while asked.len() < AHEAD {
                let Some(unit) = units.pop_front() else { break };
                self.ask(&unit, is_fast, &mut buffer)?;
                asked.push_back(unit);
            }
            let Some(unit) = asked.pop_front() else { return Ok(()) };
            let frame = self.receiver.receive()?;
            is_fast = match frame.kind {
                kind::ANSWER => false,
                kind::QUICK_ANSWER => true,
                other => return Err(Error::refused(format!("the sender says something unknown ({other})"))),
            };
            if answers.send(Answer { unit, difference: frame.content }).is_err() {
                return Ok(());
            }
        }
    }

    /// Asks for a unit; where the link is fast without a signature, which would take longer than what it saves.
    fn ask(&self, unit: &Unit, is_fast: bool, buffer: &mut Vec<u8>) -> Result<()> {
        let new = unit.pieces.iter().map(|piece| (piece.entry, piece.new.clone())).collect();
        let olds = unit.pieces.iter().filter_map(|piece| piece.old.as_ref());
        let hashes = olds.map(|(entry, range)| Some((self.known_hash(*entry)?, range.clone())));
        let request = match hashes.collect::<Option<Vec<_>>>() {
            Some(old) if !old.is_empty() => Request { new, old, signature: Vec::new() },
            _ if is_fast => Request { new, ..Request::default() },
            _ => {
                read_old(self.basis, unit, 0, buffer)?;
                Request { new, old: Vec::new(), signature: difference::signature(buffer) }
            }
        };
        self.sender.send(kind::REQUEST, &request.to_bytes())
    }

    /// The hash of a file of the basis, where the sender has that content.
    fn known_hash(&self, entry: usize) -> Option<Hash> {
        match self.basis.manifest.entries()[entry].kind {
            Kind::File { hash, .. } if self.known.contains(&hash.short()) => Some(hash),
            _ => None,
        }
    }
}
