//! The bytes that a push of a tree sends over a slow link, computed without a link: the messages are made and counted.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use delta::codec::Writer;
use delta::difference::{Encoder, Old};
use delta::entry::{Entry, Kind};
use delta::formed::{Forms, pieces, references};
use delta::hash::Hash;
use delta::matches;
use delta::plan::{Plan, Wanted};
use delta::recipe::{BEGINNING, Literals, Proof, begins, describe};
use delta::scan::{ReadAll, scan};
use delta::unit::{Unit, units};
use delta::update::append_piece;
use delta::{Manifest, NewIndex, Tree, format};
use system::dir::Dir;
use system::error::{Error, Result};
use system::thread::join;

/// A tree that has been read.
pub struct Root {
    dir: Dir,
    manifest: Manifest,
}

/// How a push is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Whether the sender has the old tree.
    pub has_base: bool,
    /// Whether contents travel in forms and as recipes.
    pub has_forms: bool,
}

/// Levels of zstd over a slow link: with old bytes to compare with, and without.
const LEVEL: i32 = 9;
const LEVEL_ALONE: i32 = 15;
/// Smaller contents have no recipe.
const LEAST_DESCRIBED: u64 = 1 << 20;
/// Bytes around a message.
const FRAME: u64 = 9;
/// Bytes in a request: for a piece of the new tree, and for an old one that the sender has.
const NEW_PIECE: u64 = 4;
const OLD_PIECE: u64 = 36;

impl Root {
    /// Reads the tree.
    pub fn read(path: &Path) -> Result<Self> {
        let dir = Dir::open(path)?;
        let manifest = scan(&dir, &mut ReadAll, &|_| Ok(()))?;
        Ok(Root { dir, manifest })
    }

    fn tree(&self) -> Tree<'_> {
        Tree { dir: &self.dir, manifest: &self.manifest }
    }

    fn append(&self, entry: &Entry, range: &std::ops::Range<u64>, to: &mut Vec<u8>) -> Result<()> {
        append_piece(&self.dir.file(entry.path())?, &self.dir.shown(entry.path()), range, to)
    }
}

/// Bytes of contents that the old tree does not have.
pub fn changed(old: &Root, new: &Root) -> u64 {
    Plan::new(&old.manifest, &new.manifest).wanted_bytes()
}

/// The bytes of the messages in both directions by which the old tree becomes the new one.
pub fn weigh(old: &Root, new: &Root, way: Way) -> Result<u64> {
    let plan = Plan::new(&old.manifest, &new.manifest);
    let manifest = format::to_bytes(&new.manifest).map_or(0, |bytes| bytes.len());
    let likes: HashSet<_> = plan.wanted.iter().filter_map(|wanted| wanted.like).collect();
    let question = 32 + likes.len() * 9;
    let mut bytes = (manifest + question) as u64;
    let mut wanted = Vec::new();
    for content in &plan.wanted {
        match recipe(old, new, content, way)? {
            Some(recipe) => bytes += recipe,
            None => wanted.push((content, 0)),
        }
    }
    let (known, others): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|(content, _)| way.has_base && content.like.is_some());
    for (group, is_known) in [(known, true), (others, false)] {
        bytes += in_units(old, new, &units(group.into_iter(), &old.manifest), is_known, way)?;
    }
    Ok(bytes)
}

/// The bytes of all units. Two threads work on them.
fn in_units(old: &Root, new: &Root, units: &[Unit], is_known: bool, way: Way) -> Result<u64> {
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(0));
    let work = || -> Result<()> {
        let mut weigher = Weigher::default();
        while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bytes = weigher.weigh(old, new, unit, is_known, way)?;
            *sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += bytes;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(join).into_iter().collect::<Result<()>>()
    })?;
    Ok(sum.into_inner().unwrap_or_default())
}

/// Makes requests and answers. It keeps its buffers.
#[derive(Default)]
struct Weigher {
    encoder: Encoder,
    new: Vec<u8>,
    old: Vec<u8>,
    formed: Vec<u8>,
    references: Vec<u8>,
}

impl Weigher {
    fn weigh(&mut self, old: &Root, new: &Root, unit: &Unit, is_known: bool, way: Way) -> Result<u64> {
        self.new.clear();
        self.old.clear();
        for piece in &unit.pieces {
            new.append(piece.entry.of(&new.manifest), &piece.new, &mut self.new)?;
            if let Some((entry, range)) = &piece.old {
                old.append(entry.of(&old.manifest), range, &mut self.old)?;
            }
        }
        let mut answer = Writer::default();
        if way.has_forms {
            references(pieces(&self.old, unit.old_lengths()), &mut self.references);
            let forms = Forms::encode(pieces(&self.new, unit.new_lengths()), &mut self.formed);
            Forms::write(Some(&forms), &mut answer);
        } else {
            Forms::write(None, &mut answer);
        }
        let (new_bytes, old_bytes) =
            if way.has_forms { (&self.formed, &self.references) } else { (&self.new, &self.old) };
        let mut bytes = 2 * FRAME + NEW_PIECE * unit.pieces.len() as u64;
        let made = if is_known {
            bytes += OLD_PIECE * unit.old_lengths().count() as u64;
            self.encoder.encode(new_bytes, &Old::Bytes(old_bytes), LEVEL)
        } else {
            let signature = matches::signature(old_bytes).map_err(refused)?;
            bytes += signature.len() as u64;
            let level = if signature.is_empty() { LEVEL_ALONE } else { LEVEL };
            self.encoder.encode(new_bytes, &Old::Signature(&signature), level)
        };
        let made = made.map_err(refused)?;
        Ok(bytes + (answer.0.len() + made.len()) as u64)
    }
}

/// The bytes of the content's recipe and of the request for it, if it travels so.
fn recipe(old: &Root, new: &Root, wanted: &Wanted, way: Way) -> Result<Option<u64>> {
    let Some(like) = wanted.like.filter(|_| way.has_forms && wanted.size >= LEAST_DESCRIBED) else {
        return Ok(None);
    };
    let like = like.of(&old.manifest).path();
    let mut beginning = Vec::new();
    let read = old.dir.file(like)?.take(BEGINNING as u64).read_to_end(&mut beginning);
    if read.is_err() || !begins(&beginning) {
        return Ok(None);
    }
    let mut content = Vec::new();
    new.append(wanted.entry.of(&new.manifest), &(0..wanted.size), &mut content)?;
    let (old_files, new_files) = (files(old.tree()), files(new.tree()));
    let find = |hash: &Hash| Ok(new_files.get(hash).copied());
    content.truncate(usize::try_from(wanted.size).unwrap_or(usize::MAX));
    let Some(recipe) = describe(&content, Proof::Whole, &find) else { return Ok(None) };
    let literals =
        Literals::of(old.dir.file(like)?, &|hash| old_files.contains_key(hash)).unwrap_or_default();
    let signature = matches::signature(&literals.bytes).map_err(refused)?;
    let (request, old) = if way.has_base {
        (OLD_PIECE + literals.left_out.len() as u64 / 8, Old::Bytes(&literals.bytes))
    } else {
        (signature.len() as u64, Old::Signature(&signature))
    };
    let made = recipe.to_difference(&old, LEVEL).map_err(refused)?;
    Ok(Some(2 * FRAME + request + made.len() as u64))
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn refused(error: io::Error) -> Error {
    Error::refused(error.to_string())
}

/// The first file with each content.
fn files(tree: Tree<'_>) -> HashMap<Hash, NewIndex> {
    let entries = tree.manifest.entries().iter().enumerate().rev();
    let file = |(index, entry): (usize, &Entry)| match entry.kind {
        Kind::File { hash, .. } => Some((hash, NewIndex(index))),
        _ => None,
    };
    entries.filter_map(file).collect()
}
