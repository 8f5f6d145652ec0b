//! The packages in which two trees differ, as their databases tell.

use std::collections::{BTreeMap, BTreeSet};

use system::dir::Dir;
use system::error::Result;

use crate::operations::losses::packages::{IN_TREE, open};
use crate::rootfs::databases::{self, DATABASES};
use crate::rootfs::packages::{Packages, read};

/// The change of a package: its version before and after. It is `None` where the package is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name of the package.
    pub name: String,
    /// Its version before.
    pub before: Option<String>,
    /// Its version after.
    pub after: Option<String>,
}

/// What has changed in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These packages.
    Packages(Vec<Change>),
    /// Something, in a database whose format is not read here.
    Unknown,
}

/// The databases of a version, by their kind: those of `run`, or as they were built where `run` has none of its own, or is not given.
pub fn of(orig: &Dir, run: Option<&Dir>) -> Result<BTreeMap<&'static str, Packages>> {
    let mut found = BTreeMap::new();
    for (path, kind) in IN_TREE {
        if let Some(database) = open(run.unwrap_or(orig), path.as_ref())? {
            found.extend(read(&database, kind)?.map(|packages| (kind, packages)));
        }
    }
    let kept = run.map(|run| databases::kept(orig, run)).transpose()?.unwrap_or_default();
    for database in &DATABASES {
        let place = match run {
            Some(run) if kept.contains(&database) => open(run, &database.kept())?,
            _ => open(orig, &database.in_tree())?,
        };
        if let Some(place) = place {
            found.extend(read(&place, database.name)?.map(|packages| (database.name, packages)));
        }
    }
    Ok(found)
}

/// The difference between two sets of databases.
pub fn between(
    before: &BTreeMap<&'static str, Packages>,
    after: &BTreeMap<&'static str, Packages>,
) -> Vec<(&'static str, Changed)> {
    let kinds: BTreeSet<&'static str> = before.keys().chain(after.keys()).copied().collect();
    let changed = |kind: &&'static str| {
        let names = |all: &BTreeMap<&str, Packages>| match all.get(*kind) {
            None => Some(BTreeMap::new()),
            Some(Packages::Names(names)) => Some(names.clone()),
            Some(Packages::Opaque(_)) => None,
        };
        match (names(before), names(after)) {
            (Some(one), Some(other)) => {
                let changes = changes(&one, &other);
                (!changes.is_empty()).then_some((*kind, Changed::Packages(changes)))
            }
            _ => (before.get(*kind) != after.get(*kind)).then_some((*kind, Changed::Unknown)),
        }
    };
    kinds.iter().filter_map(changed).collect()
}

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let change = |name: &String| Change {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    differs.map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[(&str, &str)]) -> Packages {
        Packages::Names(packages.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect())
    }

    #[test]
    fn packages_come_go_and_change() {
        let one =
            [("dpkg", names(&[("a", "1"), ("b", "1"), ("c", "1")])), ("rpm", Packages::Opaque(Vec::new()))];
        let other = [("dpkg", names(&[("b", "1"), ("c", "2"), ("d", "1")]))];
        let changed = between(&one.into(), &other.into());
        let version = |text: Option<&str>| text.map(str::to_owned);
        let change = |name: &str, before, after| Change {
            name: name.into(),
            before: version(before),
            after: version(after),
        };
        let expected = vec![
            change("a", Some("1"), None),
            change("c", Some("1"), Some("2")),
            change("d", None, Some("1")),
        ];
        assert_eq!(changed, [("dpkg", Changed::Packages(expected)), ("rpm", Changed::Unknown)]);
    }
}
