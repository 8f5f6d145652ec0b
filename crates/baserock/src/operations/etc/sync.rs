//! Copies one version's `/etc` to all others.

use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;

use super::{record, shared, snapshot, without_orig};
use crate::etc::fingerprint::fingerprint_of_user;
use crate::etc::sync::plan_sync;
use crate::etc::{Record, Trees};
use crate::label::ExistingLabel;
use crate::layout::{ETC_BEFORE_SYNC, ORIG, RUN};
use crate::operations::{full, sweep};
use crate::rootfs::etc::merge::{Place, put_in_place, read_etc, replace_copy};
use crate::rootfs::etc::reown::Reown;
use crate::rootfs::etc::staged::Staged;
use crate::volume::Volume;
use system::owners::IdMoves;

/// Copies the canonical version's `/etc` over that of every other version except the running one. The old `/etc` is kept as
/// `systems/LABEL/etc.before-sync`. Each is replaced in one step. Returns the versions that got the new one.
pub fn sync(
    volume: &Volume,
    canonical: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<Vec<ExistingLabel>> {
    full::explain(volume, attempt(volume, canonical, observer))
}

fn attempt(
    volume: &Volume,
    canonical: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<Vec<ExistingLabel>> {
    let survey = volume.survey()?;
    survey.require(volume, canonical)?;
    sweep::sweep(volume, &survey.complete)?;
    let version = volume.version_dir(canonical)?;
    let orig = version.dir_if_exists(ORIG)?.ok_or_else(|| without_orig(canonical))?;
    let frozen = snapshot::of_run(volume, canonical, &version, observer)?;
    let canonical_record = record(volume, canonical)?;
    let mut done = Vec::new();
    for label in survey.complete {
        if label == *canonical || survey.running.as_ref() == Some(&label) {
            continue;
        }
        volume.refuse_live(&label)?;
        observer.phase(format!("copying /etc of {canonical} to {label}"));
        let source =
            Source { label: canonical, orig: &orig, run: frozen.dir(), record: canonical_record.as_ref() };
        copy(volume, &source, &label)?;
        done.push(label);
    }
    Ok(done)
}

/// The canonical version.
struct Source<'a> {
    label: &'a ExistingLabel,
    orig: &'a Dir,
    run: &'a Dir,
    record: Option<&'a Record>,
}

fn copy(volume: &Volume, source: &Source<'_>, label: &ExistingLabel) -> Result<()> {
    let version = volume.version_dir(label)?;
    let (orig, run) = (version.dir(ORIG)?, version.dir(RUN)?);
    let trees = Trees { v1: read_etc(source.orig)?, user: read_etc(source.run)?, v2: read_etc(&orig)? };
    let plan = plan_sync(trees, source.record)?;
    let (now, earlier) = (read_etc(&run)?, record(volume, label)?);
    let new = plan.record(source.label.as_str());
    if earlier.as_ref() == Some(&new) && fingerprint_of_user(&now) == fingerprint_of_user(&plan.result) {
        // An earlier sync has replaced it already, and has kept the old one.
        return Ok(());
    }
    replace_copy(&now, &version, ETC_BEFORE_SYNC)?;
    let staged = Staged::write(&plan.result, &run)?;
    staged.sync()?;
    let earlier = earlier.map_or_else(IdMoves::default, |record| record.moves);
    let shared = shared(volume, &orig)?;
    let place = Place { version: &version, orig: &orig, run: &run, shared: &shared, is_complete: true };
    let reown = Reown { moves: &plan.moves, earlier: &earlier, owned: None, is_shared: false };
    put_in_place(&staged, reown, place, &new).map(drop)
}
