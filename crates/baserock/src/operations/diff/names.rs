//! The names in which two trees differ, outside `/etc`.

use std::collections::HashMap;
use std::path::Path;

use delta::Manifest;
use delta::entry::{Entry, Kind};
use delta::hash::Hash;
use delta::scan::{Hashes, scan};
use nix::sys::stat::FileStat;
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;

use crate::operations::losses::Names;
use crate::operations::manifest;
use crate::operations::state::same;

/// Files with the same size and time count as the same.
struct BySizeAndTime;

impl Hashes for BySizeAndTime {
    fn known(&self, stat: &FileStat) -> Option<Hash> {
        Some(Hash::of(format!("{} {} {}", stat.st_size, stat.st_mtime, stat.st_mtime_nsec).as_bytes()))
    }

    fn learned(&mut self, _: &FileStat, _: Hash) {}
}

/// The names in which the `orig` of two versions differ. The directories are those of the versions, with their manifests.
pub fn between(
    one_version: &Dir,
    one: &Dir,
    other_version: &Dir,
    other: &Dir,
    observer: &dyn Observer,
) -> Result<Names> {
    let manifests = manifest::load(one_version, one)?.zip(manifest::load(other_version, other)?);
    let is_exact = manifests.is_some();
    let (before, after) = match manifests {
        Some(manifests) => manifests,
        None => (look(one, observer)?, look(other, observer)?),
    };
    let by_path: HashMap<&[u8], &Entry> = entries(&before).map(|entry| (&*entry.path, entry)).collect();
    let mut names = Names::default();
    for entry in entries(&after) {
        let path = entry.path();
        match by_path.get(&*entry.path) {
            None => drop(names.added.insert(path.to_owned())),
            Some(was) if is_same(was, entry) => {}
            Some(was) if !is_exact && may_be_same(was, entry) && same(one, path, other, path)? => {}
            Some(_) => drop(names.changed.insert(path.to_owned())),
        }
    }
    let by_path = after.by_path();
    names.removed = entries(&before)
        .filter(|entry| !by_path.contains_key(&*entry.path))
        .map(|entry| entry.path().to_owned())
        .collect();
    Ok(names)
}

fn look(tree: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    observer.phase(format!("looking at {}, which has no manifest", tree.shown("").display()));
    scan(tree, &mut BySizeAndTime, &|_| Ok(()))
}

/// The entries that are compared: not the top, and not `/etc`.
fn entries(manifest: &Manifest) -> impl Iterator<Item = &Entry> {
    let counts = |entry: &&Entry| !entry.path.is_empty() && !entry.path().starts_with(Path::new("etc"));
    manifest.entries().iter().filter(counts)
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    one.kind == other.kind && one.metadata == other.metadata
}

/// Whether two files may have the same content, at other times.
fn may_be_same(one: &Entry, other: &Entry) -> bool {
    let size = |entry: &Entry| match entry.kind {
        Kind::File { size, .. } => Some(size),
        _ => None,
    };
    one.metadata == other.metadata && size(one).is_some() && size(one) == size(other)
}
