//! The edits of one version's `etc` that would be left behind: people made them, and other versions do not have them.

use std::collections::BTreeSet;

use super::changes::{Changes, differing, same};
use super::fingerprint::fingerprint_of_user;
use super::identity::{Class, class, is_edited_by_people, repository};
use super::path::EtcPath;
use super::record::Record;
use super::tree::{Node, Tree};
use crate::naming::first;

/// The `etc` of one version.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// The UUID of its `run`, if that is a subvolume.
    pub id: Option<String>,
    /// Its `etc` as it was built, and then as it was put into `run`: with a completed fstab.
    pub built: [Tree; 2],
    /// Its `etc` now.
    pub now: Tree,
    /// The record of the last merge into it.
    pub record: Option<Record>,
}

/// The paths of `from` that somebody edited and that none of these versions has, sorted. A version has an edit if its path is the same, or if
/// the edit was merged into it: then it is in the version, or the merge has named it.
pub fn left_behind(from: &Version, among: &[Version]) -> Vec<EtcPath> {
    let (own, inherited) = from.edits(among);
    let is_left = |path: &&EtcPath| !from.is_made(path);
    let own = own.iter().filter(is_left).filter(|path| !among.iter().any(|other| other.has_edit(from, path)));
    let inherited = inherited
        .iter()
        .filter(is_left)
        .filter(|path| !among.iter().any(|other| other.has_edit(from, path) || other.has_source(from, path)));
    let left = by_people(own.chain(inherited).cloned());
    // A directory needs no name beside what is in it.
    let is_above = |path: &EtcPath| left.iter().any(|other| other != path && other.is_within(path));
    left.iter().filter(|path| !from.is_dir(path) || !is_above(path)).cloned().collect()
}

/// The paths that were edited in a version, and are otherwise in the result of a new merge into it, sorted.
///
/// `built` is its `etc` as it was built and as it was put into `run`, and `record` is the record of the merge that made `now`.
pub fn dropped(built: &[Tree; 2], record: Option<&Record>, now: &Tree, result: &Tree) -> Vec<EtcPath> {
    let version = Version { id: None, built: built.clone(), now: now.clone(), record: record.cloned() };
    let (own, _) = version.edits(&[]);
    // The record of an older program names no paths, but tells whether ordinary files were edited at all.
    let is_unnamed =
        record.is_some_and(|record| record.result_changes.is_none() && !record.result_changed(now));
    let counts = |path: &EtcPath| !(is_unnamed && class(path) == Class::Ordinary);
    let is_lost = |path: &EtcPath| counts(path) && !same(result.get(path), now.get(path));
    by_people(own.into_iter().filter(is_lost)).into_iter().collect()
}

/// The paths that people edit. A repository stands for all its files.
pub fn by_people(paths: impl IntoIterator<Item = EtcPath>) -> BTreeSet<EtcPath> {
    let edited = paths.into_iter().filter(is_edited_by_people);
    edited.map(|path| repository(&path).unwrap_or(path)).collect()
}

/// The paths as text for a message: the first ten, and the number of the others.
pub fn named(paths: &[EtcPath]) -> String {
    let show = |path: &EtcPath| if path.is_root() { ".".to_owned() } else { path.to_string() };
    first(paths.iter().map(show))
}

impl Version {
    /// The paths that were edited in this version, and those that came into it by its merge. The latter do not count if one of the others is
    /// the source, or has merged the same from it.
    fn edits(&self, among: &[Version]) -> (BTreeSet<EtcPath>, BTreeSet<EtcPath>) {
        let Some(record) = &self.record else { return (self.since_built(None), BTreeSet::new()) };
        let is_covered = among.iter().any(|other| other.covers(record));
        let Some(changes) = &record.result_changes else {
            let is_untouched = is_covered && !record.result_changed(&self.now);
            return (
                if is_untouched { BTreeSet::new() } else { self.since_built(Some(record)) },
                BTreeSet::new(),
            );
        };
        let own = changes.since(&self.built_here(Some(record)), &self.now);
        let inherited = if is_covered { BTreeSet::new() } else { changes.paths().cloned().collect() };
        (own, inherited)
    }

    /// The paths that are neither as built nor as they were put into `run`.
    fn since_built(&self, record: Option<&Record>) -> BTreeSet<EtcPath> {
        let built = self.built_here(record);
        let differing = differing(&built, &self.now).into_iter();
        differing.filter(|path| !same(self.built[1].get(path), self.now.get(path))).cloned().collect()
    }

    /// The tree as built, with the machine's numbers.
    fn built_here(&self, record: Option<&Record>) -> Tree {
        let mut built = self.built[0].clone();
        if let Some(record) = record {
            built.apply_moves(&record.moves);
        }
        built
    }

    /// Whether this is the source of the merge, or has merged the same from it.
    fn covers(&self, record: &Record) -> bool {
        let Some(source) = &record.old_run else { return false };
        self.id.as_ref() == Some(source)
            || self.record.as_ref().is_some_and(|own| own.merged(source) == Some(&record.user))
    }

    /// Whether this version has the other's node at the path, or has merged it.
    fn has_edit(&self, from: &Version, path: &EtcPath) -> bool {
        let node = from.now.get(path);
        same(self.now.get(path), node) || self.has_merged(from, path, node)
    }

    fn has_merged(&self, from: &Version, path: &EtcPath, node: Option<&Node>) -> bool {
        let (Some(record), Some(id)) = (&self.record, &from.id) else { return false };
        if record.merged(id).is_some_and(|before| *before == fingerprint_of_user(&from.now)) {
            return true;
        }
        let was = |changes: &Changes| {
            changes.was(path, node).unwrap_or_else(|| same(from.built[0].get(path), node))
        };
        record.old_run.as_ref() == Some(id) && record.user_changes.as_ref().is_some_and(was)
    }

    /// Whether this version has what the other's merge brought to the path, as it was in the source.
    fn has_source(&self, from: &Version, path: &EtcPath) -> bool {
        let changes = from.record.as_ref().and_then(|record| record.user_changes.as_ref());
        changes.and_then(|changes| changes.was(path, self.now.get(path))) == Some(true)
    }

    /// Whether the path is the tools' own copy of a file.
    fn is_made(&self, path: &EtcPath) -> bool {
        let Some(record) = &self.record else { return false };
        let is_copy = record.conflicts.iter().any(|conflict| conflict.orig.as_ref() == Some(path));
        is_copy && record.made(path, self.now.get(path))
    }

    fn is_dir(&self, path: &EtcPath) -> bool {
        self.now.get(path).is_some_and(Node::is_dir)
    }
}
