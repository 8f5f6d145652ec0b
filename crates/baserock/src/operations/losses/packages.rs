//! Packages that somebody installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::error::Result;

use super::Trees;
use crate::layout::{self, ORIG, VAR};
use crate::rootfs::databases::{self, DATABASES};
use crate::rootfs::packages::{Packages, read};
use crate::volume::Volume;

/// Databases that are in the tree itself, with their kind.
pub const IN_TREE: [(&str, &str); 5] = [
    ("lib/apk/db", "apk"),
    ("usr/lib/apk/db", "apk"),
    ("usr/lib/opkg", "opkg"),
    ("usr/lib/sysimage/rpm", "rpm"),
    ("usr/lib/sysimage/libdnf5", "dnf"),
];

/// What is lost of one database.
pub enum Lost {
    /// These packages.
    Names(BTreeSet<String>),
    /// Something, in a database whose format is not read here.
    Changed,
}

/// The packages of each kind of database that the old version has now, that were not there when it was built, and that are not in the new
/// version.
pub(super) fn lost(volume: &Volume, trees: &Trees) -> Result<Vec<(&'static str, Lost)>> {
    let mut lost = Vec::new();
    for (path, kind) in IN_TREE {
        lost.extend(of_kind(
            kind,
            [&trees.old_run, &trees.old_orig, &trees.new_orig],
            [path; 3].map(Path::new),
            &[],
        )?);
    }
    let kept = databases::kept(&trees.old_orig, &trees.old_run)?;
    for database in &DATABASES {
        let (built, place) = (database.in_tree(), database.kept());
        let trio = |now| [now, &trees.old_orig, &trees.new_orig];
        if kept.contains(&database) {
            lost.extend(of_kind(database.name, trio(&trees.old_run), [&place, &built, &built], &[])?);
            continue;
        }
        // Several versions have shared this database, so each of them may have put packages into it.
        let shared: PathBuf = layout::state(VAR).join(database.place);
        if volume.top().has(&shared)? && databases::of_tree(&trees.old_orig)?.contains(&database) {
            let mut others = Vec::new();
            for version in volume.versions()? {
                others.extend(volume.version_dir(&version.label)?.dir_if_exists(ORIG)?);
            }
            let all = others.iter().map(|tree| open(tree, &built)).collect::<Result<Vec<_>>>()?;
            let all: Vec<Dir> = all.into_iter().flatten().collect();
            lost.extend(of_kind(database.name, trio(volume.top()), [&shared, &built, &built], &all)?);
        }
    }
    Ok(lost)
}

/// Compares one database as it is now, as it was built, and in the new version. Packages of `others` are no loss.
fn of_kind(
    kind: &'static str,
    trees: [&Dir; 3],
    paths: [&Path; 3],
    others: &[Dir],
) -> Result<Option<(&'static str, Lost)>> {
    let mut found = [const { None }; 3];
    for ((found, tree), path) in found.iter_mut().zip(trees).zip(paths) {
        *found = open(tree, path)?.map(|database| read(&database, kind)).transpose()?.flatten();
    }
    let [now, built, new] = found;
    Ok(match (now, built) {
        (Some(Packages::Names(mut names)), Some(Packages::Names(built))) => {
            let mut gone = |packages: Option<Packages>| {
                if let Some(Packages::Names(known)) = packages {
                    names.retain(|name, _| !known.contains_key(name));
                }
            };
            gone(Some(Packages::Names(built)));
            gone(new);
            for other in others {
                gone(read(other, kind)?);
            }
            (!names.is_empty()).then_some((kind, Lost::Names(names.into_keys().collect())))
        }
        (Some(now @ Packages::Opaque(_)), Some(built))
            if others.is_empty() && now != built && Some(&now) != new.as_ref() =>
        {
            Some((kind, Lost::Changed))
        }
        _ => None,
    })
}

/// A directory in a tree; `None` if it is not there, or is none.
pub fn open(tree: &Dir, path: &Path) -> Result<Option<Dir>> {
    let is_directory =
        tree.stat_beneath(path)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR);
    is_directory.then(|| tree.dir(path)).transpose()
}
