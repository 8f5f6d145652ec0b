//! Copies one version's `/etc` to all others.

use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use super::{shared, snapshot, without_orig};
use crate::etc::fingerprint::fingerprint_of_user;
use crate::etc::sync::plan_sync;
use crate::etc::{EtcPath, Kind, Node, Record, Tree, Trees};
use crate::fstab::Fstab;
use crate::label::ExistingLabel;
use crate::layout::{ETC_BEFORE_SYNC, ORIG, RUN};
use crate::operations::{full, state, sweep};
use crate::rootfs::databases;
use crate::rootfs::etc::merge::{Durability, Place, put_in_place, read_etc, replace_copy};
use crate::rootfs::etc::reown::Reown;
use crate::rootfs::etc::staged::Staged;
use crate::volume::Volume;
use system::owners::IdMoves;

/// Copies the canonical version's `/etc` over that of every other version except the running one. The old `/etc` is kept as
/// `systems/LABEL/etc.before-sync`. Each is replaced in one step. Returns the versions that got the new one.
///
/// If the `/etc` of a version cannot be replaced, the other versions still get the new one. The error of the first such version is returned;
/// the errors of others are warnings.
pub fn sync(
    volume: &Volume,
    canonical: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<Vec<ExistingLabel>> {
    full::explain(volume, None, attempt(volume, canonical, observer))
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
    let canonical_record = volume.merge_record(canonical)?;
    let id = volume.run_id(canonical)?;
    let (mut done, mut first) = (Vec::new(), None);
    for label in survey.complete {
        if label == *canonical || survey.running.as_ref() == Some(&label) {
            continue;
        }
        volume.refuse_live(&label)?;
        observer.phase(format!("copying /etc of {canonical} to {label}"));
        let source = Source {
            label: canonical,
            id: id.clone(),
            orig: &orig,
            run: frozen.dir(),
            record: canonical_record.as_ref(),
        };
        match copy(volume, &source, &label) {
            Ok(()) => done.push(label),
            Err(error) if error.is_no_space() || matches!(error, Error::Interrupted(_)) => return Err(error),
            Err(error) if first.is_none() => first = Some(error),
            Err(error) => observer.warn(format!("/etc of {label} is as it was: {error}")),
        }
    }
    first.map_or(Ok(done), Err)
}

/// The canonical version.
struct Source<'a> {
    label: &'a ExistingLabel,
    id: Option<String>,
    orig: &'a Dir,
    run: &'a Dir,
    record: Option<&'a Record>,
}

fn copy(volume: &Volume, source: &Source<'_>, label: &ExistingLabel) -> Result<()> {
    let version = volume.version_dir(label)?;
    let (orig, run) = (version.dir(ORIG)?, version.dir(RUN)?);
    let trees = Trees { v1: read_etc(source.orig)?, user: read_etc(source.run)?, v2: read_etc(&orig)? };
    let mut plan = plan_sync(trees, source.record)?;
    adapt_fstab(volume, &mut plan.result, source, (&orig, &run))?;
    let (now, earlier) = (read_etc(&run)?, volume.merge_record(label)?);
    let older = source.record.map(Record::sources).unwrap_or_default();
    let new = Record { old_run: source.id.clone(), older, ..plan.record(source.label.as_str()) };
    if earlier.as_ref() == Some(&new) && fingerprint_of_user(&now) == fingerprint_of_user(&plan.result) {
        // An earlier sync has replaced it already, and has kept the old one.
        return Ok(());
    }
    replace_copy(&now, &version, ETC_BEFORE_SYNC)?;
    let staged = Staged::write(&plan.result, &run)?;
    staged.sync()?;
    let earlier = earlier.map_or_else(IdMoves::default, |record| record.moves);
    let shared = shared(volume, &orig)?;
    let durability = Durability::BeforeTheExchange;
    let place = Place { version: &version, orig: &orig, run: &run, shared: &shared, durability };
    let reown = Reown { moves: &plan.moves, earlier: &earlier, owned: None, is_shared: false };
    put_in_place(&staged, reown, place, &new).map(drop)
}

/// Replaces the lines that only the canonical version needs, because of its tree, by those that the other version needs.
fn adapt_fstab(volume: &Volume, etc: &mut Tree, source: &Source<'_>, other: (&Dir, &Dir)) -> Result<()> {
    let canonical = state::fstab_lines(volume, source.orig, &databases::kept(source.orig, source.run)?)?;
    let wanted = state::fstab_lines(volume, other.0, &databases::kept(other.0, other.1)?)?;
    let path = EtcPath::from("fstab");
    let Some(node) = etc.get(&path).cloned() else { return Ok(()) };
    let Kind::File(content) = &node.kind else { return Ok(()) };
    let needed_by_it: Vec<_> = wanted.iter().filter(|line| !canonical.contains(line)).cloned().collect();
    let before = Fstab::parse(&content.bytes()?);
    let after = before.clone().without(|line| canonical.contains(line) && !wanted.contains(line));
    let after = after.completed(&needed_by_it);
    if after != before {
        etc.insert(path, Node { kind: Kind::File(after.render().into()), ..node });
    }
    Ok(())
}
