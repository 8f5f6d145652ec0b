//! Makes bundles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use delta::codec::Writer;
use delta::difference::{Encoder, Old};
use delta::entry::Kind;
use delta::formed::{Forms, pieces, references};
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::recipe::{BEGINNING, Literals, Proof, begins, describe};
use delta::unit::{Piece, Unit, units};
use delta::update::append_piece;
use delta::{Manifest, NewIndex, OldIndex, Tree};
use system::error::{OrCannot, Result};
use system::signal;
use system::step::change;
use system::thread::join;

use super::names::{Names, places};
use super::table::{Answered, BundledPiece, BundledRecipe, BundledUnit, Table};

/// Smaller contents have no recipe.
const LEAST_PACKED: u64 = 1 << 20;
/// Larger contents are not described: they are read into memory for that.
const MOST_PACKED: u64 = 512 << 20;
/// zstd's level for recipes, which are small.
const RECIPE_LEVEL: i32 = 19;

/// What a bundle is made from.
pub struct Making<'a> {
    /// The tree that has the contents.
    pub new: Tree<'a>,
    /// The manifest of the tree with which they are compared.
    pub old: &'a Manifest,
    /// Opens a content of that tree, and tells its path.
    pub open_old: &'a (dyn Fn(Hash) -> Result<(File, PathBuf)> + Sync),
    /// How the table names contents.
    pub names: Names<'a>,
    /// zstd's level.
    pub level: i32,
}

/// A bundle that is complete, and not yet in the repository.
pub struct Made {
    /// Its head.
    pub head: Vec<u8>,
    /// Its answers.
    pub answers: File,
    /// Its bytes in all.
    pub size: u64,
}

impl Making<'_> {
    /// Makes the bundle with these contents; no unit has contents of two groups. `answers` is an empty file, and its path.
    pub fn make(
        &self,
        groups: &[Vec<Wanted>],
        (mut answers, shown): (File, &Path),
        report: &dyn Fn(u64),
    ) -> Result<Made> {
        let (mut recipes, mut all_units) = (Vec::new(), Vec::new());
        for group in groups {
            let mut others = Vec::new();
            for wanted in group {
                match self.recipe(wanted)? {
                    Some(recipe) => recipes.push(recipe),
                    None => others.push(wanted),
                }
            }
            all_units.extend(units(others.into_iter().map(|wanted| (wanted, 0)), self.old));
        }
        let mut table = Table::default();
        for (content, old, files, answer) in recipes {
            let answer = write((&mut answers, shown), &answer)?;
            table.recipes.push(BundledRecipe { answer, content, old, files });
        }
        self.units(&all_units, report, &mut |unit, answer| {
            table.units.push(BundledUnit {
                answer: write((&mut answers, shown), &answer)?,
                pieces: self.names_of(unit),
            });
            Ok(())
        })?;
        let head = table.to_head(self.names).or_cannot("describe", self.new.dir.shown(""))?;
        let size = head.len() as u64 + table.answers().map(|answer| answer.length).sum::<u64>();
        answers.rewind().or_cannot("read", shown)?;
        Ok(Made { head, answers, size })
    }

    fn names_of(&self, unit: &Unit) -> Vec<BundledPiece> {
        let named = |piece: &Piece| BundledPiece {
            content: hash_of(self.new.manifest, piece.entry.0),
            new: piece.new.clone(),
            old: piece.old.as_ref().map(|(OldIndex(old), range)| (hash_of(self.old, *old), range.clone())),
        };
        unit.pieces.iter().map(named).collect()
    }

    /// Makes the answers for all units, as many at a time as there are processors, and hands them over in order.
    fn units(
        &self,
        units: &[Unit],
        report: &dyn Fn(u64),
        hand_over: &mut dyn FnMut(&Unit, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(units.len().max(1));
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (send, made) = sync_channel(workers);
            let working: Vec<_> = (0..workers)
                .map(|_| {
                    let (send, next) = (send.clone(), &next);
                    scope.spawn(move || {
                        let mut answerer = Answerer::new(self);
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            let Some(unit) = units.get(number) else { return Ok(()) };
                            let answer = answerer.answer(unit)?;
                            if send.send((number, answer)).is_err() {
                                return Ok(());
                            }
                        }
                    })
                })
                .collect();
            drop(send);
            let (mut waiting, mut expected, mut outcome) = (HashMap::new(), 0, Ok(()));
            for (number, answer) in &made {
                waiting.insert(number, answer);
                while let Some(answer) = waiting.remove(&expected).filter(|_| outcome.is_ok()) {
                    outcome = hand_over(&units[expected], answer);
                    report(units[expected].new_bytes());
                    expected += 1;
                }
                if outcome.is_err() {
                    break;
                }
            }
            drop(made);
            working.into_iter().map(join).fold(outcome, Result::and)
        })
    }

    /// The recipe of a content, if it packs files of the new tree: the content, the old one with which it is compared, the files, and the
    /// recipe.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn recipe(&self, wanted: &Wanted) -> Result<Option<(Hash, Option<Hash>, Vec<Hash>, Vec<u8>)>> {
        if !(LEAST_PACKED..=MOST_PACKED).contains(&wanted.size) {
            return Ok(None);
        }
        let path = wanted.entry.of(self.new.manifest).path();
        let (file, shown) = (self.new.dir.file(path)?, self.new.dir.shown(path));
        let mut content = Vec::new();
        (&file).take(BEGINNING as u64).read_to_end(&mut content).or_cannot("read", &shown)?;
        if !begins(&content) {
            return Ok(None);
        }
        file.take(wanted.size).read_to_end(&mut content).or_cannot("read", &shown)?;
        let files = RefCell::new((Vec::new(), HashMap::new()));
        let known = places(self.new.manifest);
        let recipe = describe(&content, Proof::Whole, &|hash| {
            signal::check().map_err(io::Error::other)?;
            let (named, places): &mut (Vec<Hash>, HashMap<Hash, usize>) = &mut files.borrow_mut();
            Ok(known.contains_key(hash).then(|| {
                NewIndex(*places.entry(*hash).or_insert_with(|| {
                    named.push(*hash);
                    named.len() - 1
                }))
            }))
        });
        signal::check()?;
        let Some(recipe) = recipe else { return Ok(None) };
        let (old, literals) = self.old_literals(wanted)?;
        let compared = if old.is_some() { Old::Bytes(&literals) } else { Old::Unknown };
        let answer = recipe.to_difference(&compared, RECIPE_LEVEL).or_cannot("compress", &shown)?;
        Ok(Some((wanted.hash, old, files.into_inner().0, answer)))
    }

    /// The literals of the old content that is most like this one.
    fn old_literals(&self, wanted: &Wanted) -> Result<(Option<Hash>, Vec<u8>)> {
        let Some(OldIndex(old)) = wanted.like else { return Ok((None, Vec::new())) };
        let hash = hash_of(self.old, old);
        let known = places(self.old);
        let (file, shown) = (self.open_old)(hash)?;
        match Literals::of(file, &|member| known.contains_key(member)) {
            Ok(literals) => Ok((Some(hash), literals.bytes)),
            Err(error) => {
                tracing::debug!("{}: {error}", shown.display());
                Ok((None, Vec::new()))
            }
        }
    }
}

/// The hash of the file at this place of a manifest.
fn hash_of(manifest: &Manifest, place: usize) -> Hash {
    match manifest.entries()[place].kind {
        Kind::File { hash, .. } => hash,
        _ => Hash([0; 32]),
    }
}

fn write((answers, shown): (&mut File, &Path), answer: &[u8]) -> Result<Answered> {
    change("write", shown, || answers.write_all(answer))?;
    Ok(Answered { length: answer.len() as u64, hash: Hash::of(answer) })
}

/// Makes answers. It keeps its buffers from one to the next.
struct Answerer<'a> {
    making: &'a Making<'a>,
    encoder: Encoder,
    new: Vec<u8>,
    old: Vec<u8>,
    formed: Vec<u8>,
    references: Vec<u8>,
}

impl<'a> Answerer<'a> {
    fn new(making: &'a Making<'a>) -> Self {
        let [new, old, formed, references] = [const { Vec::new() }; 4];
        Answerer { making, encoder: Encoder::default(), new, old, formed, references }
    }

    fn answer(&mut self, unit: &Unit) -> Result<Vec<u8>> {
        signal::check()?;
        let Making { new, old, open_old, level, .. } = self.making;
        self.new.clear();
        self.old.clear();
        for piece in &unit.pieces {
            let path = piece.entry.of(new.manifest).path();
            append_piece(&new.dir.file(path)?, &new.dir.shown(path), &piece.new, &mut self.new)?;
            if let Some((OldIndex(place), range)) = &piece.old {
                let (file, shown) = open_old(hash_of(old, *place))?;
                append_piece(&file, &shown, range, &mut self.old)?;
            }
        }
        references(pieces(&self.old, unit.old_lengths()), &mut self.references);
        let forms = Forms::encode(pieces(&self.new, unit.new_lengths()), &mut self.formed);
        let compared = if self.references.is_empty() { Old::Unknown } else { Old::Bytes(&self.references) };
        let mut answer = Writer::default();
        Forms::write(Some(&forms), &mut answer);
        let difference = self.encoder.encode(&self.formed, &compared, *level);
        answer.raw(&difference.or_cannot("compress", new.dir.shown(""))?);
        Ok(answer.0)
    }
}
