//! Tells what a deployment would do, and changes nothing.

use system::btrfs;
use system::dir::{Dir, MOST_TEXT};
use system::error::Result;
use system::observer::{Observer, Silent};
use system::owners::IdMoves;

use super::Deploy;
use super::plan::{Plan, check, plan};
use crate::fstab::Fstab;
use crate::label::ExistingLabel;
use crate::layout::ORIG;
use crate::operations::etc::{self, Merged, Receiver};
use crate::operations::state::{self, Shipped};
use crate::operations::{Prune, losses, prune, repair, trial, trust};
use crate::rootfs::kernel::BootFiles;
use crate::volume::{Survey, Volume};

/// What a deployment would do.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The merge of `/etc`, if there is one and the library does it.
    pub merged: Option<Merged>,
    /// The versions that are removed before it begins.
    pub removed: Vec<ExistingLabel>,
    /// The bytes that kernel, initramfs and device trees take.
    pub boot_files: u64,
    /// The bytes that can be written on the volume.
    pub available: u64,
    /// The bytes of the volume.
    pub total: u64,
}

/// Decides as [`deploy`](super::deploy()) does, and refuses what that refuses before it begins. Names what that names. Changes nothing.
pub fn preview(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Preview> {
    trust::admit_stored(volume, &options.label, observer)?;
    of_admitted(volume, options, observer)
}

/// The same for a version that counts.
pub fn of_admitted(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Preview> {
    let label: &ExistingLabel = &options.label;
    let Decided { survey, orig, plan } = decide(volume, options, observer)?;
    let mut preview = Preview::default();
    if let Some(keep) = options.keep {
        let pruned = prune::plan(volume, &Prune { keep: Some(keep), before: None })?;
        pruned.name_stay(observer);
        preview.removed = pruned.removed;
    }
    plan.name(volume, label, observer)?;
    preview.boot_files = plan.files.as_ref().map_or(Ok(0), BootFiles::size)?;
    preview.merged = merge(volume, options, &plan, &orig, observer)?;
    name_state(volume, &plan, &orig, preview.merged.as_ref(), observer)?;
    if let Some(old) = &plan.old {
        let complete = survey.complete.iter().filter(|label| !preview.removed.contains(label));
        let complete: Vec<_> = complete.cloned().collect();
        name_left(volume, old, (label, &orig), preview.merged.as_ref(), &complete, observer)?;
    }
    let space = btrfs::space(volume.top())?;
    Ok(Preview { available: space.available, total: space.total, ..preview })
}

/// Names what people have changed and a new version, given with its tree, would not have: outside `/etc`, and in it, where the `/etc` of complete
/// versions has edits that the merge does not see.
pub fn name_left(
    volume: &Volume,
    old: &ExistingLabel,
    new: (&ExistingLabel, &Dir),
    merged: Option<&Merged>,
    complete: &[ExistingLabel],
    observer: &dyn Observer,
) -> Result<()> {
    losses::name(volume, old, new, observer)?;
    match merged.and_then(|merged| merged.planned.as_ref()) {
        None => Ok(()),
        planned => {
            etc::name_forgotten(volume, complete, Some(old), Receiver { label: new.0, planned }, observer)
        }
    }
}

/// Fails if the merge of the deployment would leave conflicts, or if the deployment would be refused for something else.
pub fn refuse_conflicts(volume: &Volume, options: &Deploy) -> Result<()> {
    let Decided { orig, plan, .. } = decide(volume, options, &Silent)?;
    merge(volume, options, &plan, &orig, &Silent).map(drop)
}

/// All that is decided before anything is changed.
struct Decided {
    survey: Survey,
    orig: Dir,
    plan: Plan,
}

fn decide(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Decided> {
    let survey = volume.survey()?;
    repair::require_nameable_default(&survey)?;
    let survey = repair::look(volume, &survey, observer)?;
    let orig = check(volume, &survey, &options.label)?.dir(ORIG)?;
    trial::record::look(volume, None, observer)?;
    let plan = plan(volume, &survey, options, &orig)?;
    Ok(Decided { survey, orig, plan })
}

fn merge(
    volume: &Volume,
    options: &Deploy,
    plan: &Plan,
    orig: &Dir,
    observer: &dyn Observer,
) -> Result<Option<Merged>> {
    let (Some(how), Some(old)) = (&plan.etc, &plan.old) else { return Ok(None) };
    let merged = etc::plan(volume, old, &options.label, orig, how, observer).map(Some)?;
    if options.refuse_conflicts {
        etc::refuse_conflicts(&options.label, merged.as_ref())?;
    }
    Ok(merged)
}

/// Names what stays as it is in the shared state.
fn name_state(
    volume: &Volume,
    plan: &Plan,
    orig: &Dir,
    merged: Option<&Merged>,
    observer: &dyn Observer,
) -> Result<()> {
    let etc = orig.dir_if_exists("etc")?;
    let before = etc.map(|etc| etc.read_if_exists("fstab", MOST_TEXT)).transpose()?.flatten();
    let before = Fstab::parse(&before.unwrap_or_default());
    let kept = state::databases_to_keep(volume, orig, &before)?;
    let after = before.completed(&state::fstab_lines(volume, orig, &kept)?);
    let shared = state::shared_by(&after, orig)?;
    let moves = merged.map_or_else(IdMoves::default, |merged| merged.moves.clone());
    let old = plan.old_orig(volume)?;
    let shipped = Shipped { new: orig, old: old.as_ref(), shared: &shared, kept: &kept, moves: &moves };
    state::missing(volume, &shipped)?.report(volume, observer)
}
