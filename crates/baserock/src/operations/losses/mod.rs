//! Names what an upgrade loses: packages that somebody installed in the old version, and changes outside `/etc` and the shared directories.

mod files;
pub(super) mod packages;

use std::path::PathBuf;

pub use files::Names;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use crate::label::ExistingLabel;
use crate::layout::{ORIG, RUN};
use crate::naming::first;
use crate::rootfs::databases;
use crate::volume::Volume;

/// The trees that are compared.
struct Trees {
    old_orig: Dir,
    old_run: Dir,
    new_orig: Dir,
}

/// Names what somebody changed in the old version since it was built and the new version does not have. `/etc` is merged, and the shared
/// directories are not touched by an upgrade, so they do not count.
///
/// The new version is given with its tree. Only committed changes are found. If they cannot be found, that is named, because an upgrade must
/// not fail for it.
pub fn name(
    volume: &Volume,
    old: &ExistingLabel,
    new: (&ExistingLabel, &Dir),
    observer: &dyn Observer,
) -> Result<()> {
    match find(volume, old, new, observer) {
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error) => {
            observer.warn(format!("cannot tell what was changed in {old} since it was built: {error}"));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn find(
    volume: &Volume,
    old: &ExistingLabel,
    (new, new_orig): (&ExistingLabel, &Dir),
    observer: &dyn Observer,
) -> Result<()> {
    let old_version = volume.version_dir(old)?;
    let (Some(old_orig), Some(old_run)) = (old_version.dir_if_exists(ORIG)?, old_version.dir_if_exists(RUN)?)
    else {
        return Ok(());
    };
    let trees = Trees { old_orig, old_run, new_orig: new_orig.duplicate()? };
    if !btrfs::is_subvolume(&trees.old_run)? || !btrfs::is_subvolume(&trees.old_orig)? {
        return Ok(());
    }
    for (kind, names) in packages::lost(volume, &trees)? {
        observer.warn(match names {
            packages::Lost::Names(names) => {
                let names = first(names.into_iter());
                format!("packages that somebody installed in {old} are not in {new} ({kind}): {names}")
            }
            packages::Lost::Changed => {
                format!(
                    "somebody changed the packages of {old} ({kind}); {new} has those that it was built with"
                )
            }
        });
    }
    let lost = files::lost(&trees, &apart(volume, &trees)?)?;
    for (names, words, rest) in [
        (lost.added, "somebody added", "not in"),
        (lost.changed, "somebody changed", "as built in"),
        (lost.removed, "somebody removed", "again in"),
    ] {
        if !names.is_empty() {
            let names =
                first(names.iter().map(|path| format!("/{}", path.display().to_string().escape_debug())));
            observer.warn(format!("{words} in {old} what is {rest} {new}: {names}"));
        }
    }
    Ok(())
}

/// What somebody has changed in a version since it was built, outside `/etc`, the shared directories and package databases.
pub fn edited(volume: &Volume, label: &ExistingLabel) -> Result<Names> {
    let version = volume.version_dir(label)?;
    let (Some(orig), Some(run)) = (version.dir_if_exists(ORIG)?, version.dir_if_exists(RUN)?) else {
        return Ok(Names::default());
    };
    if !btrfs::is_subvolume(&orig)? || !btrfs::is_subvolume(&run)? {
        return Ok(Names::default());
    }
    // Against the tree as it was built, everything that was changed is a loss.
    let trees = Trees { new_orig: orig.duplicate()?, old_orig: orig, old_run: run };
    files::lost(&trees, &apart(volume, &trees)?)
}

/// The paths in the old version that are no files of its own: package databases, and where other filesystems are mounted.
fn apart(volume: &Volume, trees: &Trees) -> Result<Vec<PathBuf>> {
    let mut apart: Vec<PathBuf> =
        databases::kept(&trees.old_orig, &trees.old_run)?.iter().map(|kept| kept.kept()).collect();
    apart.extend(packages::IN_TREE.map(|(path, _)| path.into()));
    let others = volume.disk_mounts()?;
    let mounted = others.lines().iter().filter_map(|line| line.target.as_deref());
    apart.extend(mounted.filter_map(|target| target.strip_prefix("/").ok()).map(PathBuf::from));
    Ok(apart)
}
