//! Contents of a published version, taken out of its packs again, so that the next version is compared with them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use delta::codec::Reader;
use delta::difference::Decoder;
use delta::entry::Kind;
use delta::formed::{Forms, pieces};
use delta::hash::Hash;
use delta::recipe::{Recipe, recreate};
use delta::unit::GRID;
use delta::{Manifest, NewIndex};
use nix::fcntl::OFlag;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::resolve::Links;
use system::step::change;

use crate::bundle::Names;
use crate::bundle::table::{BundledRecipe, BundledUnit, Table};
use crate::bundle::take::Bundle;
use crate::index::BundleFile;
use crate::location::Location;

/// Contents, each in a file named by its hash.
pub struct Extracted {
    dir: Dir,
}

impl Extracted {
    /// Takes these contents of a tree out of its packs, into an empty folder.
    pub fn new(
        dir: Dir,
        location: &Location,
        packs: &[BundleFile],
        tree: &Manifest,
        mut wanted: HashSet<Hash>,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let extracted = Extracted { dir };
        let mut bundles = Vec::new();
        for pack in packs {
            bundles.push(Bundle::open(location.file(pack.of_pack(), observer), *pack, Names::Hashes)?);
        }
        let recipes = bundles.iter().flat_map(|bundle| &bundle.table.recipes);
        let packed: Vec<Hash> = recipes
            .filter(|recipe| wanted.contains(&recipe.content))
            .flat_map(|recipe| &recipe.files)
            .copied()
            .collect();
        wanted.extend(packed);
        for bundle in &mut bundles {
            let (table, shown) = (bundle.table.clone(), bundle.shown());
            bundle.each(&numbers_of_units(&table, &wanted), |number, answer| {
                let unit = &table.units[number - table.recipes.len()];
                extracted.unit(unit, (&answer, &shown), &wanted).map(|()| true)
            })?;
        }
        let sizes: HashMap<Hash, u64> = sizes(tree);
        for bundle in &mut bundles {
            let table = bundle.table.clone();
            let numbers: Vec<usize> = (0..table.recipes.len())
                .filter(|number| wanted.contains(&table.recipes[*number].content))
                .collect();
            bundle.each(&numbers, |number, answer| {
                let recipe = &table.recipes[number];
                let size = sizes.get(&recipe.content).copied().unwrap_or(0);
                extracted.recipe(recipe, size, &answer).map(|()| true)
            })?;
        }
        Ok(extracted)
    }

    /// Opens a content, and tells its path.
    pub fn open(&self, hash: Hash) -> Result<(File, PathBuf)> {
        let name = hash.to_string();
        Ok((self.dir.file(&name)?, self.dir.shown(&name)))
    }

    fn unit(&self, unit: &BundledUnit, (answer, shown): (&[u8], &str), wanted: &HashSet<Hash>) -> Result<()> {
        let lengths = || unit.pieces.iter().map(|piece| delta::unit::length(&piece.new));
        let mut rest = Reader(answer);
        let forms = Forms::read(&mut rest, lengths()).or_cannot("understand", shown)?.unwrap_or_default();
        let (mut formed, mut new) = (Vec::new(), Vec::new());
        let decoded = Decoder::default().decode(rest.0, &[], forms.size(), &mut formed);
        decoded.and_then(|()| forms.decode(&formed, lengths(), &mut new)).or_cannot("unpack", shown)?;
        for (piece, bytes) in unit.pieces.iter().zip(pieces(&new, lengths())) {
            if wanted.contains(&piece.content) {
                let (file, path) = self.file(piece.content)?;
                change("write", &path, || file.write_all_at(bytes, piece.new.start))?;
            }
        }
        Ok(())
    }

    fn recipe(&self, recipe: &BundledRecipe, size: u64, answer: &[u8]) -> Result<()> {
        let (file, shown) = self.file(recipe.content)?;
        let mut out = BufWriter::with_capacity(GRID << 10, file);
        let read = Recipe::from_difference(answer, &[]).or_cannot("understand", &shown)?;
        let mut open = |NewIndex(index)| {
            let hash = recipe.files.get(index).ok_or(std::io::ErrorKind::NotFound)?;
            self.open(*hash).map(|(file, _)| file).map_err(std::io::Error::other)
        };
        let made = recreate(&read, size, &mut open, &mut out).and_then(|()| out.flush());
        made.map_err(|error| Error::of_reader(&shown, error))
    }

    fn file(&self, hash: Hash) -> Result<(File, PathBuf)> {
        let (name, flags) = (hash.to_string(), OFlag::O_RDWR | OFlag::O_CREAT);
        let file = File::from(self.dir.open_with(&name, flags, 0o600, Links::Refuse)?);
        Ok((file, self.dir.shown(&name)))
    }
}

/// The numbers of the answers for units that have one of the contents.
pub(crate) fn numbers_of_units(table: &Table, wanted: &HashSet<Hash>) -> Vec<usize> {
    let has = |unit: &BundledUnit| unit.pieces.iter().any(|piece| wanted.contains(&piece.content));
    let units = table.units.iter().enumerate().filter(|(_, unit)| has(unit));
    units.map(|(number, _)| table.recipes.len() + number).collect()
}

/// The size of each content of a tree.
fn sizes(manifest: &Manifest) -> HashMap<Hash, u64> {
    let files = manifest.entries().iter().filter_map(|entry| match entry.kind {
        Kind::File { hash, size } => Some((hash, size)),
        _ => None,
    });
    files.collect()
}
