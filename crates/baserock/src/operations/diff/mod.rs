//! The difference of two versions, or of a version and the tree as it was built.

mod names;
mod packages;

use std::collections::BTreeSet;

use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use super::{etc, losses};
use crate::etc::changes::{differing, same};
use crate::etc::git;
use crate::etc::{EtcPath, tree::Tree};
use crate::label::ExistingLabel;
use crate::layout::{ORIG, RUN};
use crate::rootfs::etc::merge::read_etc;
use crate::volume::Volume;

pub use super::losses::Names;
pub use packages::{Change, Changed};

/// The difference of two trees.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// The packages, by the kind of their database, such as `dpkg`.
    pub packages: Vec<(&'static str, Changed)>,
    /// The names outside `/etc`.
    pub names: Names,
    /// The paths of `/etc`, each with its difference as `git diff` shows it.
    pub etc: Vec<(EtcPath, Vec<u8>)>,
}

/// The difference from one version to another: names and contents of the trees as they were built, packages and `/etc` as they are now.
///
/// Contents are compared by the manifests, if both versions have one. Otherwise files with the same size and time count as the same.
pub fn versions(
    volume: &Volume,
    from: &ExistingLabel,
    to: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<Diff> {
    let survey = volume.survey()?;
    survey.require(volume, from)?;
    survey.require(volume, to)?;
    let (one, other) = (volume.version_dir(from)?, volume.version_dir(to)?);
    let (one_run, other_run) = (one.dir(RUN)?, other.dir(RUN)?);
    let names = names::between(&one, &orig(&one, from)?, &other, &orig(&other, to)?, observer)?;
    let packages = packages::between(
        &packages::of(&orig(&one, from)?, Some(&one_run))?,
        &packages::of(&orig(&other, to)?, Some(&other_run))?,
    );
    let (before, after) = (read_etc(&one_run)?, read_etc(&other_run)?);
    let paths: BTreeSet<EtcPath> = differing(&before, &after).into_iter().cloned().collect();
    Ok(Diff { packages, names, etc: differences(paths, &before, &after)? })
}

/// What people have changed in a version since it was built. What the deployment itself changed, and files that only programs write, do not
/// count.
pub fn edits(volume: &Volume, label: &ExistingLabel) -> Result<Diff> {
    volume.require(label)?;
    let version = volume.version_dir(label)?;
    let (built, run) = (orig(&version, label)?, version.dir(RUN)?);
    let edited = etc::edits(volume, label)?;
    Ok(Diff {
        packages: packages::between(&packages::of(&built, None)?, &packages::of(&built, Some(&run))?),
        names: losses::edited(volume, label)?,
        etc: differences(edited.paths, &edited.built, &edited.now)?,
    })
}

fn orig(version: &Dir, label: &ExistingLabel) -> Result<Dir> {
    let missing =
        || Error::refused(format!("version {label} has no {ORIG}, so nobody can tell how it was built"));
    version.dir_if_exists(ORIG)?.ok_or_else(missing)
}

fn differences(
    paths: impl IntoIterator<Item = EtcPath>,
    before: &Tree,
    after: &Tree,
) -> Result<Vec<(EtcPath, Vec<u8>)>> {
    let mut found = Vec::new();
    for path in paths {
        let (one, other) = (before.get(&path), after.get(&path));
        if !same(one, other) {
            let difference = git::difference(&path, one, other)?;
            found.push((path, difference));
        }
    }
    Ok(found)
}
