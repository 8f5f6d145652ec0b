//! The contents of a version that a repository has.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use assembly::{Answer, Assembly, assemble};
use baserock::ExistingLabel;
use baserock::operations::trust::Provenance;
use baserock::operations::upgrade::{Contents, Filling};
use delta::apply::Stats;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::recipe::{Literals, Recipe};
use delta::segment::window;
use delta::unit::{Piece, Unit};
use delta::{Manifest, NewIndex, OldIndex, Tree};
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::thread::join;

use super::remote::Remote;
use crate::bundle::Names;
use crate::bundle::names::places;
use crate::bundle::table::{BundledPiece, BundledRecipe, BundledUnit};
use crate::bundle::take::Bundle;
use crate::index::Published;
use crate::publish::numbers_of_units;

/// A version of a repository. A try that fails leaves what has arrived for the next one.
pub struct Fetched<'a> {
    /// The repository.
    pub remote: &'a Remote<'a>,
    /// The version.
    pub version: &'a Published,
    /// Is told how far it is.
    pub observer: &'a dyn Observer,
}

impl Contents for Fetched<'_> {
    fn digest(&self) -> Option<Hash> {
        Some(self.version.manifest.digest.0)
    }

    fn manifest(&mut self, basis: &Manifest) -> Result<Manifest> {
        self.remote.manifest_from(self.version, basis)
    }

    fn provenance(&mut self, _: &ExistingLabel, _: Hash) -> Result<Provenance> {
        Ok(self.remote.provenance())
    }

    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats> {
        assemble(filling, "the repository", |assembly| {
            Bringing { fetched: self, assembly, new: filling.apply.new }.all()
        })
    }
}

/// The state of bringing.
#[derive(Clone, Copy)]
struct Bringing<'a> {
    fetched: &'a Fetched<'a>,
    assembly: Assembly<'a>,
    new: &'a Manifest,
}

impl<'a> Bringing<'a> {
    fn all(&self) -> Result<()> {
        let mut store = self.assembly.store();
        // What is there of a content in several units is fetched again: the units of a bundle may have more than one content.
        let missing: Vec<Wanted> =
            self.assembly.missing(&mut store)?.into_iter().map(|(wanted, _)| *wanted).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let planned = self.plan(missing.iter().map(|wanted| wanted.hash).collect())?;
        let total = planned.iter().map(|(bundle, numbers)| bundle.bytes(numbers)).sum();
        let (recipes, to_recreate) = mpsc::channel();
        let assembly = self.assembly;
        let (wrong, failed) = thread::scope(|scope| {
            let recreating = scope.spawn(move || assembly.recreate(&to_recreate));
            let wrong = assembly.units(&missing, &mut store, |answers| {
                self.bring(planned, total, &missing, answers, &recipes)
            });
            assembly.over();
            drop(recipes);
            let failed = join(recreating);
            wrong.and_then(|wrong| Ok((wrong, failed?)))
        })?;
        match wrong.iter().chain(&failed).next() {
            None => Ok(()),
            Some(wanted) => Err(Error::refused(format!(
                "{}: a content of {} bytes is not what the manifest says; tell whoever publishes it",
                self.fetched.remote.location.shown(),
                wanted.size
            ))),
        }
    }

    /// Opens the delta, if there is one for this basis.
    fn delta(&self) -> Result<Option<Bundle<'a>>> {
        let Fetched { remote, version, observer } = self.fetched;
        let basis = self.assembly.basis().manifest;
        let Some(delta) = remote.index.delta(basis.digest(), version.manifest.digest.0) else {
            return Ok(None);
        };
        let file = remote.location.file(delta.name(), *observer);
        match Bundle::open(file, delta.file, Names::Places(basis, self.new)) {
            Ok(bundle) => Ok(Some(bundle)),
            Err(error @ Error::Interrupted(_)) => Err(error),
            Err(error) => {
                observer.note(format!("{error}; fetching all of what has changed"));
                Ok(None)
            }
        }
    }

    /// The answers to take from each bundle: from the delta, or else from the packs, the newest first. Each content is taken once, and no
    /// bundle is opened when all are found.
    fn plan(&self, mut contents: HashSet<Hash>) -> Result<Vec<(Bundle<'a>, Vec<usize>)>> {
        let Fetched { remote, version, observer } = self.fetched;
        let known = places(self.new);
        let packs = version
            .packs
            .iter()
            .map(|pack| Bundle::open(remote.location.file(pack.of_pack(), *observer), *pack, Names::Hashes));
        let mut bundles = self.delta()?.map(Ok).into_iter().chain(packs);
        let mut planned = Vec::new();
        while !contents.is_empty() {
            let Some(bundle) = bundles.next().transpose()? else {
                return Err(Error::refused(format!(
                    "{}: has no content for {} files of {}; tell whoever publishes it",
                    remote.location.shown(),
                    contents.len(),
                    version.label
                )));
            };
            let serves = |recipe: &BundledRecipe| recipe.files.iter().all(|file| known.contains_key(file));
            let mut numbers = Vec::new();
            for (number, recipe) in bundle.table.recipes.iter().enumerate() {
                if serves(recipe) && contents.remove(&recipe.content) {
                    numbers.push(number);
                }
            }
            numbers.extend(numbers_of_units(&bundle.table, &contents));
            for piece in bundle.table.units.iter().flat_map(|unit| &unit.pieces) {
                contents.remove(&piece.content);
            }
            planned.push((bundle, numbers));
        }
        Ok(planned)
    }

    fn bring(
        &self,
        planned: Vec<(Bundle<'_>, Vec<usize>)>,
        total: u64,
        missing: &[Wanted],
        answers: &SyncSender<Answer>,
        recipes: &mpsc::Sender<(Wanted, Recipe)>,
    ) -> Result<()> {
        let by_hash: HashMap<Hash, &Wanted> = missing.iter().map(|wanted| (wanted.hash, wanted)).collect();
        let old = places(self.assembly.basis().manifest);
        let mut done = 0;
        for (mut bundle, numbers) in planned {
            let table = bundle.table.clone();
            bundle.each(&numbers, |number, content| {
                done += content.len() as u64;
                self.fetched.observer.progress(done, Some(total));
                let Some(unit) = number.checked_sub(table.recipes.len()) else {
                    let recipe = &table.recipes[number];
                    let Some(wanted) = by_hash.get(&recipe.content) else { return Ok(true) };
                    let read = self.recipe(recipe, &content, &old)?;
                    // This fails only if the thread that makes contents again has ended, and its error is returned.
                    return Ok(recipes.send((**wanted, read)).is_ok());
                };
                let unit = self.unit(&table.units[unit], &by_hash, &old)?;
                Ok(answers.send(Answer { unit, content }).is_ok())
            })?;
        }
        Ok(())
    }

    /// The unit as the new tree knows it. A content that is not missing has no place.
    fn unit(
        &self,
        unit: &BundledUnit,
        missing: &HashMap<Hash, &Wanted>,
        old: &HashMap<Hash, usize>,
    ) -> Result<Unit> {
        let piece = |piece: &BundledPiece| {
            let wanted = missing.get(&piece.content);
            let old = match &piece.old {
                Some((hash, range)) => Some((self.old(old, *hash)?, range.clone())),
                // Nothing is compared with it, but blocks that both have are shared.
                None => wanted.and_then(|wanted| self.like(wanted, piece)),
            };
            let entry = wanted.map_or(NewIndex(usize::MAX), |wanted| wanted.entry);
            Ok(Piece { entry, new: piece.new.clone(), old })
        };
        Ok(Unit { pieces: unit.pieces.iter().map(piece).collect::<Result<_>>()? })
    }

    fn like(&self, wanted: &Wanted, piece: &BundledPiece) -> Option<(OldIndex, std::ops::Range<u64>)> {
        let like = wanted.like?;
        let Kind::File { size, .. } = like.of(self.assembly.basis().manifest).kind else { return None };
        Some((like, window(&piece.new, size))).filter(|(_, range)| !range.is_empty())
    }

    fn old(&self, old: &HashMap<Hash, usize>, hash: Hash) -> Result<OldIndex> {
        let place = old.get(&hash).copied();
        place
            .map(OldIndex)
            .ok_or_else(|| Error::refused(format!("no content {hash} in the version that is here")))
    }

    fn recipe(&self, recipe: &BundledRecipe, answer: &[u8], old: &HashMap<Hash, usize>) -> Result<Recipe> {
        let literals = match recipe.old {
            Some(hash) => self.literals(self.old(old, hash)?, old)?,
            None => Vec::new(),
        };
        let known = places(self.new);
        let files: Vec<Option<usize>> = recipe.files.iter().map(|file| known.get(file).copied()).collect();
        let read = Recipe::from_difference(answer, &literals).and_then(|recipe| {
            recipe.with_files(|NewIndex(number)| files.get(number).copied().flatten().map(NewIndex))
        });
        read.or_cannot("understand a recipe from", self.fetched.remote.location.shown())
    }

    fn literals(&self, old: OldIndex, known: &HashMap<Hash, usize>) -> Result<Vec<u8>> {
        let Tree { dir, manifest } = self.assembly.basis();
        let path = old.of(manifest).path();
        let literals = Literals::of(dir.file(path)?, &|hash| known.contains_key(hash));
        Ok(literals.or_cannot("read", dir.shown(path))?.bytes)
    }
}
