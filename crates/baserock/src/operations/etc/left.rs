//! Names the edits of `/etc` that stay behind in a version.

use system::btrfs;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use super::fstabs::deployed_fstab;
use crate::etc::changes::differing;
use crate::etc::left::{Version, left_behind, named};
use crate::etc::tree::Tree;
use crate::etc::{EtcPath, fstab};
use crate::label::ExistingLabel;
use crate::layout::{BOOT_RECORD, ORIG, RUN};
use crate::rootfs::databases::{self, Database};
use crate::rootfs::etc::merge::read_etc;
use crate::volume::Volume;

/// Warns of the edits in `/etc` of `from` that are not in `into`.
///
/// This is advice, and stops an operation only for a signal: a version that cannot be read is named instead.
pub fn name_missing(
    volume: &Volume,
    from: &ExistingLabel,
    into: Receiver<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    warn(from, &format!("not in {}", into.label), between(volume, from, &[into]), observer)
}

/// A version that has edits or has not.
#[derive(Clone, Copy)]
pub struct Receiver<'a> {
    /// Its label.
    pub label: &'a ExistingLabel,
    /// What it is going to be, if that is only planned.
    pub planned: Option<&'a Version>,
}

impl<'a> From<&'a ExistingLabel> for Receiver<'a> {
    fn from(label: &'a ExistingLabel) -> Self {
        Receiver { label, planned: None }
    }
}

impl Receiver<'_> {
    fn read(&self, volume: &Volume) -> Result<Version> {
        self.planned.map_or_else(|| read(volume, self.label), |planned| Ok(planned.clone()))
    }
}

/// Warns of the edits in `/etc` of all versions except `old` that are not in `into`. Versions to which nothing was written since they were
/// deployed are not read.
pub fn name_forgotten(
    volume: &Volume,
    complete: &[ExistingLabel],
    old: Option<&ExistingLabel>,
    into: Receiver<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    for label in complete.iter().filter(|label| Some(*label) != old) {
        if is_written(volume, label).unwrap_or(true) {
            name_missing(volume, label, into, observer)?;
        }
    }
    Ok(())
}

/// Whether something was written to the version since its deployment, which ends with the record of what it boots from.
fn is_written(volume: &Volume, label: &ExistingLabel) -> Result<bool> {
    let version = volume.version_dir(label)?;
    let run = version.dir(RUN)?;
    Ok(!btrfs::is_subvolume(&run)? || btrfs::is_changed_after(&run, &version, BOOT_RECORD)?)
}

/// Warns of the edits in `/etc` of `from` that are in none of the other versions.
pub fn name_last(
    volume: &Volume,
    from: &ExistingLabel,
    others: &[ExistingLabel],
    observer: &dyn Observer,
) -> Result<()> {
    let others: Vec<_> = others.iter().filter(|other| *other != from).map(Receiver::from).collect();
    warn(from, "in no other version", between(volume, from, &others), observer)
}

fn warn(
    from: &ExistingLabel,
    missing: &str,
    found: Result<Vec<EtcPath>>,
    observer: &dyn Observer,
) -> Result<()> {
    match found {
        Ok(paths) if paths.is_empty() => {}
        Ok(paths) => observer.warn(format!("edits in /etc of {from} are {missing}: {}", named(&paths))),
        Err(interrupted @ Error::Interrupted(_)) => return Err(interrupted),
        Err(error) => {
            observer.warn(format!("cannot tell which edits in /etc of {from} are {missing}: {error}"));
        }
    }
    Ok(())
}

fn between(volume: &Volume, from: &ExistingLabel, among: &[Receiver<'_>]) -> Result<Vec<EtcPath>> {
    if !volume.version_dir(from)?.has(ORIG)? {
        // Nobody can tell what was edited in it.
        return Ok(Vec::new());
    }
    let mut version = read(volume, from)?;
    if version.now.paths().next().is_none() {
        // All of it is gone, which is no edit.
        return Ok(Vec::new());
    }
    if version.record.is_none() && differing(&version.built[1], &version.now).is_empty() {
        return Ok(Vec::new());
    }
    let mut others = among.iter().map(|other| other.read(volume)).collect::<Result<Vec<_>>>()?;
    for (label, other) in among.iter().map(|other| other.label).zip(&mut others) {
        know_source(volume, (label, other), (from, &version))?;
        know_source(volume, (from, &mut version), (label, other))?;
    }
    Ok(left_behind(&version, &others))
}

/// Adds to a record of an older program the UUID of its source, if the other version is that.
fn know_source(
    volume: &Volume,
    (new, version): (&ExistingLabel, &mut Version),
    (old, source): (&ExistingLabel, &Version),
) -> Result<()> {
    let Some(record) = version.record.as_mut().filter(|record| record.old_run.is_none()) else {
        return Ok(());
    };
    if volume.is_merged_from(new, record, old)? {
        record.old_run.clone_from(&source.id);
    }
    Ok(())
}

/// What people have edited in `/etc` of a version since it was deployed.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The paths, without files that only programs write.
    pub paths: Vec<EtcPath>,
    /// `/etc` as the deployment put it there from the tree as built, without what it merged.
    pub built: Tree,
    /// `/etc` now.
    pub now: Tree,
}

/// Looks for the edits in a version's `/etc`, its own and those that were merged into it.
pub fn edits(volume: &Volume, label: &ExistingLabel) -> Result<Edited> {
    let version = read(volume, label)?;
    let paths = left_behind(&version, &[]);
    let Version { built: [_, mut built], now, record, .. } = version;
    built.apply_moves(&record.map(|record| record.moves).unwrap_or_default());
    Ok(Edited { paths, built, now })
}

fn read(volume: &Volume, label: &ExistingLabel) -> Result<Version> {
    let version = volume.version_dir(label)?;
    let (orig, run) = (version.dir_if_exists(ORIG)?, version.dir(RUN)?);
    let kept = orig.as_ref().map(|orig| databases::kept(orig, &run)).transpose()?.unwrap_or_default();
    Ok(Version {
        id: volume.run_id(label)?,
        built: built(volume, orig.as_ref(), &kept)?,
        now: read_etc(&run)?,
        record: volume.merge_record(label)?,
    })
}

/// `/etc` of a tree as it was built, and as a deployment puts it into `run`.
pub fn built(volume: &Volume, orig: Option<&Dir>, kept: &[&Database]) -> Result<[Tree; 2]> {
    let Some(orig) = orig else { return Ok(Default::default()) };
    let built = read_etc(orig)?;
    let mut deployed = built.clone();
    if let Some(text) = deployed_fstab(volume, orig, kept)? {
        fstab::put(&mut deployed, &text);
    }
    Ok([built, deployed])
}
