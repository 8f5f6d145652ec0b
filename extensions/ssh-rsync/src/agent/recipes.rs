//! Large contents that may pack files of the tree are asked for as recipes. The recipes arrive beside the units.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};
use std::sync::mpsc;

use delta::entry::{Entry, Kind};
use delta::hash::Hash;
use delta::matches;
use delta::plan::Wanted;
use delta::recipe::{BEGINNING, Literals, Recipe, begins};
use delta::unit::Unit;
use delta::{NewIndex, Tree};
use system::error::{Error, OrCannot, Result};

use crate::channel::Sender;
use crate::protocol::kind;
use crate::recipe_request::{MOST_RECIPES, OldLiterals, RecipeRequest};

/// Smaller contents travel in units.
const LEAST: u64 = 1 << 20;
/// Answers by which a link is judged.
const JUDGED: usize = 3;

/// The contents to ask for: those whose predecessors look as if they packed files.
pub fn candidates<'w>(basis: Tree<'_>, wanted: impl Iterator<Item = &'w Wanted>) -> Result<Vec<Wanted>> {
    let mut found = Vec::new();
    for wanted in wanted.filter(|wanted| wanted.size >= LEAST) {
        let Some(old) = wanted.like.map(|like| like.of(basis.manifest)) else { continue };
        let mut beginning = Vec::new();
        let file = basis.dir.file(old.path())?;
        let read = file.take(BEGINNING as u64).read_to_end(&mut beginning);
        read.or_cannot("read", basis.dir.shown(old.path()))?;
        if begins(&beginning) && found.len() < MOST_RECIPES {
            found.push(*wanted);
        }
    }
    Ok(found)
}

/// Asks for recipes, once `begin` says so. To each belong the old literals with which it will be compared; they are passed on before.
/// `known` are the contents of the basis that the sender has.
pub fn ask(
    sender: &Sender,
    basis: Tree<'_>,
    known: &HashSet<Hash>,
    candidates: &[Wanted],
    begin: &mpsc::Receiver<()>,
    literals: &mpsc::Sender<Vec<u8>>,
) -> Result<()> {
    if begin.recv().is_err() {
        return Ok(());
    }
    for wanted in candidates {
        let Some(old) = wanted.like.map(|like| like.of(basis.manifest)) else { continue };
        let found = literals_of(basis, old);
        let old = match hash(old).filter(|hash| known.contains(hash)) {
            Some(hash) => OldLiterals::Known { hash, left_out: found.left_out },
            None => {
                OldLiterals::Signature(matches::signature(&found.bytes).or_cannot("compress", "a signature")?)
            }
        };
        if literals.send(found.bytes).is_err() {
            break;
        }
        let request = RecipeRequest { entry: wanted.entry, old };
        sender.send(kind::RECIPE_REQUEST, &request.to_bytes())?;
    }
    Ok(())
}

/// The literals of an old content. One that cannot be read as an initramfs has none, and the sender is asked all the same.
fn literals_of(basis: Tree<'_>, old: &Entry) -> Literals {
    let contents: HashSet<Hash> = basis.manifest.entries().iter().filter_map(hash).collect();
    let file = basis.dir.file(old.path()).map_err(io::Error::other);
    let literals = file.and_then(|file| Literals::of(file, &|hash| contents.contains(hash)));
    literals.unwrap_or_else(|error| {
        tracing::debug!("{}: {error}", basis.dir.shown(old.path()).display());
        Literals::default()
    })
}

/// The hash of a file.
fn hash(entry: &Entry) -> Option<Hash> {
    match entry.kind {
        Kind::File { hash, .. } => Some(hash),
        _ => None,
    }
}

/// The recipes that are arriving.
pub struct Arriving {
    /// Contents that were asked for and not answered, in order, and the literals of their predecessors.
    asked: VecDeque<Wanted>,
    literals: mpsc::Receiver<Vec<u8>>,
    /// Lets them be asked for. Gone when that is decided.
    begin: Option<mpsc::Sender<()>>,
    /// Answers for units that have arrived until then.
    answers: usize,
    /// Takes the recipes that have arrived. Gone when no more arrive.
    arrived: Option<mpsc::Sender<(Wanted, Recipe)>>,
    /// The files that they name.
    files: HashSet<NewIndex>,
    /// Contents that have none.
    pub others: Vec<Wanted>,
}

impl Arriving {
    /// Recipes of these contents, which are compared with these literals.
    pub fn new(
        asked: Vec<Wanted>,
        literals: mpsc::Receiver<Vec<u8>>,
        begin: Option<mpsc::Sender<()>>,
        arrived: Option<mpsc::Sender<(Wanted, Recipe)>>,
    ) -> Self {
        let (files, others) = (HashSet::new(), Vec::new());
        Arriving { asked: asked.into(), literals, begin, answers: 0, arrived, files, others }
    }

    /// No recipes.
    pub fn none() -> Self {
        Arriving::new(Vec::new(), mpsc::channel().1, None, None)
    }

    /// An answer for a unit has arrived, and shows whether the link is fast. After some, it is decided whether recipes are asked for: over a
    /// fast link the contents arrive sooner than their recipes are made.
    pub fn answered(&mut self, is_fast: bool) {
        self.answers += 1;
        if self.answers == JUDGED && is_fast && self.begin.take().is_some() {
            self.others.extend(self.asked.drain(..));
        } else if self.answers >= JUDGED {
            self.begin();
        }
    }

    /// Lets the recipes be asked for, unless that is decided.
    pub fn begin(&mut self) {
        if let Some(begin) = self.begin.take() {
            // This fails only if the thread that asks has ended, and its error is returned.
            let _ended = begin.send(());
        }
    }

    /// Whether a recipe has yet to arrive.
    pub fn is_awaited(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether a recipe that has arrived names a file of this unit.
    pub fn needs(&self, unit: &Unit) -> bool {
        unit.pieces.iter().any(|piece| self.files.contains(&piece.entry))
    }

    /// Says that no more recipes arrive.
    pub fn end(&mut self) {
        self.arrived = None;
    }

    /// Takes an answer of the sender.
    pub fn take(&mut self, answer: &[u8]) -> Result<()> {
        let asked = self.asked.pop_front().zip(self.literals.try_recv().ok());
        let (wanted, literals) =
            asked.ok_or_else(|| Error::refused("the sender sent a recipe that nobody asked for"))?;
        let recipe = (!answer.is_empty()).then(|| Recipe::from_difference(answer, &literals));
        match recipe {
            Some(Ok(recipe)) => {
                self.files.extend(recipe.files());
                // This fails only if the thread that makes contents again has ended, and its error is returned.
                let _ended = self.arrived.as_ref().map(|arrived| arrived.send((wanted, recipe)));
            }
            Some(Err(error)) => {
                tracing::warn!("a recipe cannot be used: {error}");
                self.others.push(wanted);
            }
            None => self.others.push(wanted),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use delta::OldIndex;

    use super::*;

    #[test]
    fn recipes_are_asked_for_when_the_link_is_known_to_be_slow() {
        let wanted = Wanted { entry: NewIndex(0), size: LEAST, hash: Hash([0; 32]), like: None };
        let judge = |answers: &[bool]| {
            let (begin, begun) = mpsc::channel();
            let mut arriving = Arriving::new(vec![wanted], mpsc::channel().1, Some(begin), None);
            for is_fast in answers {
                arriving.answered(*is_fast);
            }
            (begun.try_recv().is_ok(), arriving.others.len(), arriving.is_awaited())
        };
        assert_eq!(judge(&[false, false]), (false, 0, true), "nothing is decided yet");
        assert_eq!(judge(&[true, false, false]), (true, 0, true));
        assert_eq!(judge(&[false, false, true, false]), (false, 1, false));
    }

    #[test]
    fn answers_that_are_no_recipes_leave_the_content_to_units() {
        let wanted = |entry| Wanted {
            entry: NewIndex(entry),
            size: LEAST,
            hash: Hash([0; 32]),
            like: Some(OldIndex(0)),
        };
        let (literals, of_old) = mpsc::channel();
        let mut early = Arriving::new(vec![wanted(0)], mpsc::channel().1, None, None);
        assert!(early.take(&[]).is_err(), "an answer before its request");
        let mut arriving = Arriving::new(vec![wanted(0), wanted(1)], of_old, None, None);
        for _ in 0..2 {
            literals.send(b"old".to_vec()).unwrap();
        }
        arriving.take(&[]).unwrap();
        arriving.take(b"no recipe").unwrap();
        assert_eq!((arriving.files.len(), arriving.others.len()), (0, 2));
        assert!(!arriving.is_awaited());
        assert!(arriving.take(&[]).is_err(), "a third answer");
    }
}
