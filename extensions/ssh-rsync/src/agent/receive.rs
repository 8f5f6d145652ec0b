//! Requests the missing contents, a few units ahead, and passes the answers on.

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use assembly::{Answer, Assembly, Store, read_old, with_first};
use delta::OldIndex;
use delta::entry::Kind;
use delta::formed::{pieces, references};
use delta::hash::Hash;
use delta::matches;
use delta::plan::Wanted;
use delta::unit::{Unit, units};
use system::error::{Error, OrCannot, Result};
use system::thread::join;

use super::recipes::{self, Arriving};
use crate::channel::{Receiver, Sender};
use crate::protocol::{Request, kind};

/// Units that are requested before the first of them has arrived: enough to keep a slow link busy, and few enough for a small memory.
const AHEAD: usize = 4;
/// The state of receiving.
pub struct Receive<'a> {
    /// To the sender.
    pub sender: &'a Sender,
    /// From the sender.
    pub receiver: &'a mut Receiver,
    /// The new tree, which gets the contents.
    pub assembly: Assembly<'a>,
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
    /// Brings all wanted contents into the new tree. Contents that pack files of the tree come by their recipes, or in units if that fails. A
    /// content that arrives damaged is requested once more, without a basis and as it is.
    pub fn all(&mut self, wanted: &[Wanted]) -> Result<()> {
        let mut store = self.assembly.store();
        let missing = self.assembly.missing(&mut store)?;
        let wrong = self.by_recipe_or_unit(wanted, missing, &mut store)?;
        let whole: Vec<Wanted> = wrong.into_iter().map(|wanted| Wanted { like: None, ..wanted }).collect();
        self.is_plain = true;
        let from_the_start = whole.iter().map(|wanted| (wanted, 0));
        let wrong = self.units(&whole, from_the_start, &mut store, &mut Arriving::none())?;
        match wrong.first() {
            None => Ok(()),
            Some(wanted) => Err(Error::refused(format!(
                "a file of {} bytes has arrived damaged twice; check that nothing writes to TEMP_ROOT, and try again",
                wanted.size
            ))),
        }
    }

    /// Returns the contents that arrived and do not match their hash. Recipes are made while units arrive.
    fn by_recipe_or_unit(
        &mut self,
        wanted: &[Wanted],
        missing: Vec<(&Wanted, u64)>,
        store: &mut Store<'_>,
    ) -> Result<Vec<Wanted>> {
        let (sender, assembly, known) = (self.sender, self.assembly, self.known);
        let basis = assembly.basis();
        let candidates = recipes::candidates(basis, missing.iter().map(|(wanted, _)| *wanted))?;
        let (later, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|(wanted, _)| candidates.contains(wanted));
        let (literals, of_old) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let (arrived, to_recreate) = mpsc::channel();
        let mut arriving = Arriving::new(candidates.clone(), of_old, Some(begin), Some(arrived));
        let (mut wrong, failed) = thread::scope(|scope| {
            let asking =
                scope.spawn(move || recipes::ask(sender, basis, known, &candidates, &begun, &literals));
            let recreating = scope.spawn(move || assembly.recreate(&to_recreate));
            let wrong = self.units(wanted, missing.into_iter(), store, &mut arriving);
            arriving.begin();
            let wrong = wrong.and_then(|wrong| self.recipes(&mut arriving).map(|()| wrong));
            assembly.over();
            arriving.end();
            // What fails in the other threads is the cause of what fails here.
            let (asked, failed) = (join(asking), join(recreating));
            failed.and_then(|failed| Ok((asked.and(wrong)?, failed)))
        })?;
        let is_other = |wanted: &Wanted| arriving.others.contains(wanted);
        let others: Vec<_> = later.into_iter().filter(|(wanted, _)| is_other(wanted)).collect();
        wrong.extend(self.units(wanted, others.into_iter(), store, &mut arriving)?);
        let failed = failed.iter().map(|wanted| (wanted, 0));
        wrong.extend(self.units(wanted, failed, store, &mut arriving)?);
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
            .flat_map(|group| units(group.into_iter(), self.assembly.basis().manifest))
            .collect();
        let assembly = self.assembly;
        assembly.units(wanted, store, |answers| self.receive(units, answers, arriving))
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
                    // So the content of the recipe can be made again while the rest arrives.
                    units = with_first(units.into_iter(), |unit| arriving.needs(unit)).into();
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
            _ if is_fast => {
                // No signature is made any more. Units come hardly compressed now, and need the memory.
                *buffers = OldBytes::default();
                request
            }
            _ => {
                read_old(self.assembly.basis(), unit, 0, &mut buffers.old)?;
                references(pieces(&buffers.old, unit.old_lengths()), &mut buffers.references);
                let signature =
                    matches::signature(&buffers.references).or_cannot("compress", "a signature")?;
                Request { signature, ..request }
            }
        };
        self.sender.send(kind::REQUEST, &request.to_bytes())
    }

    /// The hash of a file of the basis, if the sender has its content.
    fn known_hash(&self, entry: OldIndex) -> Option<Hash> {
        match entry.of(self.assembly.basis().manifest).kind {
            Kind::File { hash, .. } if self.known.contains(&hash) => Some(hash),
            _ => None,
        }
    }
}

fn unknown(kind: u8) -> Error {
    Error::refused(format!("the sender sent an unknown message ({kind})"))
}
