//! The difference of an `etc` from the one as built, as short sums that a record keeps. It tells later which paths were changed since.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fingerprint::short_sum;
use super::path::EtcPath;
use super::tree::{Node, Tree};

/// The most paths that are kept. A larger difference has no names, only its fingerprint.
const MOST: usize = 20_000;

/// The sum of each path that was not as built; `None` for a path that was missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Changes(BTreeMap<EtcPath, Option<String>>);

impl Changes {
    /// The difference of a tree from the one as built; `None` if it is too large to be kept.
    pub fn between(built: &Tree, now: &Tree) -> Option<Self> {
        let paths = differing(built, now);
        (paths.len() <= MOST).then(|| {
            Changes(paths.into_iter().map(|path| (path.clone(), now.get(path).map(short_sum))).collect())
        })
    }

    /// The paths of `now` that are not as they were when this was made, with the tree as built that it was made from.
    pub fn since(&self, built: &Tree, now: &Tree) -> BTreeSet<EtcPath> {
        let differs = |path: &&EtcPath| match self.0.get(*path) {
            Some(before) => *before != now.get(path).map(short_sum),
            None => !same(built.get(path), now.get(path)),
        };
        let paths: BTreeSet<_> = built.paths().chain(now.paths()).chain(self.0.keys()).collect();
        paths.into_iter().filter(differs).cloned().collect()
    }

    /// Whether the path was like this when this was made. A path that was as built gives `None`.
    pub fn was(&self, path: &EtcPath, node: Option<&Node>) -> Option<bool> {
        self.0.get(path).map(|before| *before == node.map(short_sum))
    }

    /// The paths that were not as built.
    pub fn paths(&self) -> impl Iterator<Item = &EtcPath> {
        self.0.keys()
    }
}

/// The paths at which two trees differ in type, content or metadata.
pub fn differing<'t>(one: &'t Tree, other: &'t Tree) -> BTreeSet<&'t EtcPath> {
    let paths: BTreeSet<_> = one.paths().chain(other.paths()).collect();
    paths.into_iter().filter(|path| !same(one.get(path), other.get(path))).collect()
}

/// Whether two nodes are the same in type, content and metadata, or are both missing.
pub fn same(one: Option<&Node>, other: Option<&Node>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        files.iter().map(|(path, text)| (EtcPath::from(*path), Node::file(text.as_bytes()))).collect()
    }

    #[test]
    fn what_changed_since_is_told_from_what_differed_before() {
        let built = tree(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
        let changes = Changes::between(&built, &tree(&[("a", "2"), ("c", "1"), ("d", "1"), ("e", "1")]));
        let changes = changes.unwrap();
        assert_eq!(changes.paths().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b", "e"]);
        let since = |now: &[(&str, &str)]| -> Vec<String> {
            changes.since(&built, &tree(now)).iter().map(ToString::to_string).collect()
        };
        assert!(since(&[("a", "2"), ("c", "1"), ("d", "1"), ("e", "1")]).is_empty());
        assert_eq!(since(&[("a", "1"), ("b", "1"), ("c", "2")]), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_mode_counts() {
        let (built, mut now) = (tree(&[("a", "1")]), tree(&[("a", "1")]));
        now.nodes_mut().for_each(|node| node.meta.mode = 0o600);
        let changes = Changes::between(&built, &now).unwrap();
        assert_eq!(changes.was(&EtcPath::from("a"), now.get(&EtcPath::from("a"))), Some(true));
        assert_eq!(changes.since(&built, &built).len(), 1);
    }
}
