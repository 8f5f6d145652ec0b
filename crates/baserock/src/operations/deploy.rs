//! Deploys a version: makes the tree at `systems/LABEL/orig` bootable.

mod plan;
mod preview;

use std::path::Path;

use system::atomic;
use system::btrfs::{self, Access};
use system::dir::{Dir, MOST_TEXT};
use system::error::Result;
use system::flags;
use system::observer::Observer;
use system::owners::IdMoves;
use system::signal;
use system::undo::{Undo, tidy};

use self::plan::{Plan, check, plan};
pub use self::plan::{check_arguments, check_tree};
pub use self::preview::{Preview, preview};
pub(super) use self::preview::{name_left, of_admitted};
use super::etc::{EtcMerge, Merged};
use super::history::{self, More};
use super::state::{self, Shipped};
use super::{Prune, ballast, boot_files, etc, full, losses, marker, menu, prune, repair, trial, trust};
use crate::boot::Parameters;
use crate::fstab::Fstab;
use crate::history::Deed;
use crate::label::{ExistingLabel, Label};
use crate::layout::{BOOT_RECORD, INCOMPLETE, ORIG, REMARKS, RUN};
use crate::remarks::Remarks;
use crate::rootfs::databases;
use crate::rootfs::shared::Shared;
use crate::volume::{Survey, Volume};

/// The options of a deployment.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The version. Its `orig` must be in place.
    pub label: Label,
    /// The boot parameters. Missing ones are taken from the version's own metadata.
    pub parameters: Parameters,
    /// The options of the merge of `/etc`; `None` leaves it as built.
    pub etc: Option<EtcMerge>,
    /// If it is given, only so many of the newest versions stay, and those that must ([`prune()`]).
    pub keep: Option<usize>,
    /// Whether a merge of `/etc` with conflicts is refused before anything is changed.
    pub refuse_conflicts: bool,
}

/// The result of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Deployed {
    /// The merge of `/etc`, if there was one.
    pub merged: Option<Merged>,
}

/// Deploys the version. The default stays the same. If there was none, the version becomes the default.
///
/// When this returns, the version is complete and on the disk. After a failure, or after a crash and another try that fails, only its
/// `orig` is left.
pub fn deploy(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Deployed> {
    full::explain(volume, Some(&options.label), attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Deployed> {
    let label = &options.label;
    if options.refuse_conflicts {
        preview::refuse_conflicts(volume, options)?;
    }
    let survey = volume.survey()?;
    repair::require_nameable_default(&survey)?;
    let survey = repair::repair(volume, &survey, observer)?;
    let version = check(volume, &survey, label)?;
    trust::admit_stored(volume, label, observer)?;
    trial::record::call_off(volume, None, observer)?;
    start_over(volume, label, &version)?;
    let plan = plan(volume, &survey, options, &version.dir(ORIG)?)?;
    let survey = make_room(volume, survey, options, observer)?;
    plan.name(volume, label, observer)?;

    let mut undo = Undo::new();
    undo.push(format!("clear {}", version.shown(INCOMPLETE).display()), || marker::clear(&version));
    marker::set(&version)?;
    undo.push(format!("remove what was begun of {label}"), || take_back(volume, label, &version));
    let deployed = build(volume, options, &plan, &version, &mut undo, observer)?;
    // A version that was left without a merge may have edits that nobody thinks of any more.
    etc::name_forgotten(volume, &survey.complete, plan.old.as_ref(), (&**label).into(), observer)?;
    boot_files::commit_all(volume)?;
    boot_files::check(volume, label)?;
    signal::check()?;

    observer.phase(format!("making {label} bootable"));
    marker::clear(&version)?;
    undo.push(format!("mark {label} as incomplete"), || marker::set(&version));
    // If a later step fails, the menu may name the version already. It must stop doing so before the version is removed.
    if let Some(default) = &survey.default {
        undo.push(format!("take {label} out of the boot menu"), || {
            menu::write(volume, &volume.survey()?, default, Some(label), observer)
        });
    }
    let complete = survey.with(volume, label)?;
    menu::write(volume, &complete, survey.default.as_ref().unwrap_or(label), None, observer)?;
    undo.commit();
    tidy(marker::discard_thawed(&version));
    ballast::ensure(volume)?;
    history::add(
        volume,
        Deed::Deployed,
        label,
        More { from: plan.old.as_ref(), ..More::default() },
        observer,
    );
    Ok(deployed)
}

/// Removes old versions, if that is wanted. Returns the survey of afterwards.
fn make_room(volume: &Volume, survey: Survey, options: &Deploy, observer: &dyn Observer) -> Result<Survey> {
    let Some(keep) = options.keep else { return Ok(survey) };
    let pruned = prune(volume, &Prune { keep: Some(keep), before: None }, observer)?;
    if pruned.removed.is_empty() { Ok(survey) } else { volume.survey() }
}

/// Deletes the unfinished work of an earlier deployment of the same label.
fn start_over(volume: &Volume, label: &ExistingLabel, version: &Dir) -> Result<()> {
    if version.has(INCOMPLETE)? {
        take_back(volume, label, version)?;
        marker::clear(version)?;
    }
    Ok(())
}

/// Deletes everything that a deployment makes. The user's `orig` is at its place afterwards.
fn take_back(volume: &Volume, label: &ExistingLabel, version: &Dir) -> Result<()> {
    boot_files::uninstall(volume, label)?;
    if version.has(marker::FROZEN)? && btrfs::access(&version.dir(marker::FROZEN)?)? == Access::Writable {
        atomic::exchange(version, ORIG, version, marker::FROZEN)?;
    }
    marker::delete_covered(version)?;
    boot_files::commit_all(volume)
}

/// Makes all parts of the version, including boot files and shared state. The menu does not name it yet.
fn build<'v>(
    volume: &'v Volume,
    options: &Deploy,
    plan: &Plan,
    version: &'v Dir,
    undo: &mut Undo<'v>,
    observer: &dyn Observer,
) -> Result<Deployed> {
    let label = &options.label;
    observer.phase(format!("snapshotting {}", version.shown(ORIG).display()));
    freeze(version, observer)?;
    let orig = version.dir(ORIG)?;
    btrfs::snapshot(&orig, version, RUN, Access::Writable)?;
    let run = version.dir(RUN)?;
    let shared = prepare_run(volume, &orig, &run)?;
    signal::check()?;

    // These come first, because the disk can write them while the other work goes on.
    if let Some(files) = &plan.files {
        observer.phase(format!("copying /{} and what belongs to it", files.kernel.path.display()));
        boot_files::install(volume, label, files)?;
    }
    signal::check()?;
    let merged = match (&plan.etc, &plan.old) {
        (Some(how), Some(old)) => Some(etc::merge_into(volume, old, label, how, observer)?),
        _ => None,
    };
    version.write_new(BOOT_RECORD, 0o644, &plan.record.render())?;
    if plan.remarks != Remarks::default() {
        version.write_new(REMARKS, 0o644, &plan.remarks.render())?;
    }
    signal::check()?;

    let moves = merged.as_ref().map_or_else(IdMoves::default, |merged| merged.moves.clone());
    let old = plan.old_orig(volume)?;
    let kept = databases::kept(&orig, &run)?;
    let shipped = Shipped { new: &orig, old: old.as_ref(), shared: &shared, kept: &kept, moves: &moves };
    state::missing(volume, &shipped)?.add(volume, undo, observer)?;
    if let Some(old) = &plan.old {
        losses::name(volume, old, (label, &orig), observer)?;
    }
    Ok(Deployed { merged })
}

/// Replaces `orig` by a read-only snapshot of itself. A process that has a file in it open can only write to the old one, which is deleted.
fn freeze(version: &Dir, observer: &dyn Observer) -> Result<()> {
    let orig = version.dir(ORIG)?;
    if btrfs::access(&orig)? == Access::ReadOnly {
        return Ok(());
    }
    // A subvolume whose top has such a flag cannot be renamed.
    if flags::lift(version, Path::new(ORIG))?.is_some() {
        observer.warn(format!("{} was protected by chattr; that was cleared", version.shown(ORIG).display()));
    }
    btrfs::snapshot(&orig, version, marker::FROZEN, Access::ReadOnly)?;
    drop(orig);
    atomic::exchange(version, ORIG, version, marker::FROZEN)
}

/// Moves package databases to where the version keeps them, completes fstab in `run`, and empties its mount points. Returns the shared
/// directories that it mounts.
fn prepare_run(volume: &Volume, orig: &Dir, run: &Dir) -> Result<Vec<Shared>> {
    let etc = run.ensure_dir("etc", 0o755)?;
    let before = Fstab::parse(&etc.read_if_exists("fstab", MOST_TEXT)?.unwrap_or_default());
    databases::keep(run, &state::databases_to_keep(volume, orig, &before)?)?;
    let after = before.completed(&state::fstab_lines(volume, orig, &databases::kept(orig, run)?)?);
    if after != before {
        atomic::rewrite(&etc, "fstab", 0o644, &after.render())?;
    }
    let shared = state::shared_by(&after, orig)?;
    // Those that are links are mounted in another shared directory.
    let own = shared.iter().filter(|shared| shared.place == Path::new(shared.name));
    state::empty_mount_points(run, own.map(|shared| shared.place.as_path()))?;
    let others = volume.disk_mounts()?;
    let places = others.lines().iter().filter(|line| after.lines().contains(line));
    state::empty_mount_points(run, places.filter_map(|line| line.target.as_deref()))?;
    databases::make_places(orig, run)?;
    Ok(shared)
}
