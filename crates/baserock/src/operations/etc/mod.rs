//! `/etc` between the versions of a volume: merges it when a version is deployed, merges it again before that boots, or copies it to all.

mod external;
mod fstabs;
mod left;
pub mod resolve;
mod snapshot;
mod sync;

use std::path::PathBuf;

pub use external::{INHERITED_LOCK, MOUNTED_VOLUME};
use fstabs::{completed_fstabs, fstab_of};
pub(super) use left::{Receiver, edits, name_forgotten, name_last, name_missing};
pub use sync::sync;

use crate::etc::left::Version;
use crate::etc::{EtcPath, Options, Record, Step};
use crate::extension::Environment;
use crate::label::ExistingLabel;
use crate::layout::{self, BOOT_RECORD, ORIG, RUN};
use crate::operations::{full, losses, state, sweep};
use crate::refusal::Refusal;
use crate::rootfs::databases::{self, Database};
use crate::rootfs::deployment;
use crate::rootfs::etc::merge::Durability;
use crate::rootfs::etc::staged::ETC;
use crate::rootfs::etc::{self as etc_on_disk, Inputs, Outcome, Request};
use crate::rootfs::shared::{Shared, shared_of};
use crate::volume::{Survey, Volume};
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;
use system::owners::IdMoves;

/// The variable that names a program to merge instead of the library.
const PROGRAM: &str = "BASEROCK_SYSTEM_CONFIG_SYNC";

/// The options of a merge of `/etc`.
#[derive(Clone, Debug, Default)]
pub struct EtcMerge {
    /// The options of the rules.
    pub options: Options,
    /// Whether to merge even if somebody has edited the new version's `/etc`.
    pub again: bool,
    /// Whether only to plan.
    pub dry_run: bool,
    /// All names in the new version's `orig` that do not belong to root alone or have an ACL. A caller that has the manifest knows them, which
    /// saves the search.
    pub owned: Option<Vec<PathBuf>>,
    /// A program that merges instead of the library: `PROGRAM merge OLD NEW`.
    pub program: Option<PathBuf>,
}

/// The result of a merge of `/etc`.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// The outcome of the library's merge; `None` if a program merged.
    pub outcome: Option<Outcome>,
    /// The numbers of users and groups that moved.
    pub moves: IdMoves,
    /// The new version's `/etc` as the merge would leave it, if it is only planned.
    pub planned: Option<Version>,
}

impl EtcMerge {
    /// As the environment says: `BASEROCK_SYSTEM_CONFIG_SYNC`, and `MERGE_TAKE` with `PATH=user` and `PATH=new` separated by spaces.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        let takes = environment.text("MERGE_TAKE")?.unwrap_or_default().split_whitespace();
        let take = takes.map(str::parse).collect::<Result<_>>()?;
        let program = environment.raw(PROGRAM).filter(|program| !program.is_empty()).map(PathBuf::from);
        Ok(EtcMerge { options: Options { take, ..Options::default() }, program, ..EtcMerge::default() })
    }
}

/// Merges from the old version's `orig` and `run` into the new version's `run`, and writes the record of the merge.
///
/// Refuses a new version that is running or in use, because its `/etc` would change while its processes use it.
pub fn merge(
    volume: &Volume,
    old: &ExistingLabel,
    new: &ExistingLabel,
    how: &EtcMerge,
    observer: &dyn Observer,
) -> Result<Merged> {
    let survey = volume.survey()?;
    survey.require(volume, old)?;
    // Without a lock of its own, the volume is changed under the lock of a deployment. The new version is not complete then.
    if volume.lock().is_some() || how.dry_run {
        survey.require(volume, new)?;
    }
    refuse_unfit(volume, old, new)?;
    if volume.lock().is_some() && !how.dry_run {
        sweep::sweep(volume, &survey.complete)?;
    }
    let merged =
        full::explain(volume, None, merge_with(volume, old, new, how, NewVersion::Complete, observer))?;
    if how.dry_run
        && let Some(orig) = volume.version_dir(new)?.dir_if_exists(ORIG)?
    {
        losses::name(volume, old, (new, &orig), observer)?;
    }
    Ok(merged)
}

/// Fails if the new version's `/etc` must not be replaced.
fn refuse_unfit(volume: &Volume, old: &ExistingLabel, new: &ExistingLabel) -> Result<()> {
    if old == new {
        return Err(Error::refused(format!("{old} cannot be merged into itself")));
    }
    if volume.running() == Some(new) {
        return Err(Error::refused(format!("version {new} is running; its /etc is not replaced under it")));
    }
    volume.refuse_live(new)
}

/// The state of the new version.
#[derive(Clone, Copy)]
enum NewVersion<'a> {
    /// Complete. The result must be on the disk before it is put in place.
    Complete,
    /// Complete, and nobody has edited its `/etc`.
    Unedited,
    /// Being deployed. It is committed as a whole.
    Deploying,
    /// Not there. The merge is only planned, for this tree.
    Planned(&'a Dir),
}

impl NewVersion<'_> {
    fn durability(self) -> Durability {
        match self {
            NewVersion::Complete | NewVersion::Unedited => Durability::BeforeTheExchange,
            NewVersion::Deploying | NewVersion::Planned(_) => Durability::WithTheVersion,
        }
    }
}

/// Plans the merge into a version that would be deployed from the tree `orig`. Changes nothing. What a program would merge is not known.
pub(super) fn plan(
    volume: &Volume,
    old: &ExistingLabel,
    new: &ExistingLabel,
    orig: &Dir,
    how: &EtcMerge,
    observer: &dyn Observer,
) -> Result<Merged> {
    if let Some(program) = &how.program {
        observer
            .note(format!("{} merges /etc of {old} into {new}, and says only then how", program.display()));
        return Ok(Merged::default());
    }
    let how = EtcMerge { dry_run: true, ..how.clone() };
    merge_with(volume, old, new, &how, NewVersion::Planned(orig), observer)
}

/// Like [`merge`], for a version that is being deployed.
pub(super) fn merge_into(
    volume: &Volume,
    old: &ExistingLabel,
    new: &ExistingLabel,
    how: &EtcMerge,
    observer: &dyn Observer,
) -> Result<Merged> {
    match &how.program {
        Some(program) => external::merge(volume, program, old, new, observer),
        None => merge_with(volume, old, new, how, NewVersion::Deploying, observer),
    }
}

/// The outcome of the second merge, which is done when a version becomes the default.
#[derive(Clone, Debug)]
pub enum MergedAgain {
    /// The old version's `/etc` has not changed since the deployment.
    NotNeeded,
    /// It was merged again.
    Merged(Box<Merged>),
    /// Both have changed, and were left as they are.
    BothChanged {
        /// The label of the old version.
        old: ExistingLabel,
        /// The paths that were changed in it since, without those that only programs write; none if they are not known.
        paths: Vec<EtcPath>,
    },
}

/// Merges again if the old version's `/etc` has changed since the deployment and the new one's has not.
pub(super) fn merge_again(
    volume: &Volume,
    survey: &Survey,
    old: &ExistingLabel,
    new: &ExistingLabel,
    how: &EtcMerge,
    observer: &dyn Observer,
) -> Result<MergedAgain> {
    let Some(record) = volume.merge_record(new)? else { return Ok(MergedAgain::NotNeeded) };
    if !volume.is_merged_from(new, &record, old)? {
        return Ok(MergedAgain::NotNeeded);
    }
    if let Err(error) = require(volume, old) {
        // What was lost does not keep anybody from another version.
        observer.warn(error.to_string());
        return Ok(MergedAgain::NotNeeded);
    }
    let etc_of = |label| etc_on_disk::merge::read_etc(&volume.version_dir(label)?.dir(RUN)?);
    if !record.user_changed(&etc_of(old)?) {
        return Ok(MergedAgain::NotNeeded);
    }
    if record.result_changed(&etc_of(new)?) {
        let paths = volume.late_changes(new)?.map(|late| late.paths).unwrap_or_default();
        return Ok(MergedAgain::BothChanged { old: old.clone(), paths });
    }
    observer.note(format!("/etc of {old} has changed since {new} was deployed; it is merged again"));
    survey.require(volume, old)?;
    refuse_unfit(volume, old, new)?;
    merge_with(volume, old, new, how, NewVersion::Unedited, observer)
        .map(|merged| MergedAgain::Merged(Box::new(merged)))
}

fn merge_with(
    volume: &Volume,
    old: &ExistingLabel,
    new: &ExistingLabel,
    how: &EtcMerge,
    state: NewVersion<'_>,
    observer: &dyn Observer,
) -> Result<Merged> {
    require(volume, old)?;
    let old_version = volume.version_dir(old)?;
    let old_orig = old_version.dir_if_exists(ORIG)?.ok_or_else(|| without_orig(old))?;
    let frozen = if how.dry_run {
        snapshot::of_run_as_it_is(old, &old_version, observer)?
    } else {
        snapshot::of_run(volume, old, &old_version, observer)?
    };
    let Trees { new_version, new_orig, new_run, new_record, kept } = Trees::of(volume, new, state)?;
    let old_record = volume.merge_record(old)?;
    let shared = shared(volume, &new_orig)?;
    let inputs = Inputs {
        old: old.as_str(),
        old_id: volume.run_id(old)?,
        new: new.as_str(),
        old_orig: &old_orig,
        old_run: frozen.dir(),
        old_record: old_record.as_ref(),
        new_orig: &new_orig,
        new_run: &new_run,
        new_record: new_record.as_ref(),
        shared: &shared,
        new_version: &new_version,
    };
    let is_there = !matches!(state, NewVersion::Planned(_));
    let mut options = how.options.clone();
    options.hostname_from_new |= deployment::meta(&new_orig)?.get("HOSTNAME").is_some();
    if let Some(before) = new_record.as_ref()
        && volume.is_merged_from(new, before, old)?
    {
        repeat(&mut options, before, state);
    }
    let is_whole = old_version.has(BOOT_RECORD)?;
    options.fstab = completed_fstabs(volume, [&old_orig, frozen.dir(), &new_orig], &kept, is_whole)?;
    let request = Request {
        options,
        dry_run: how.dry_run,
        again: how.again,
        durability: state.durability(),
        // Until it is deployed, only the deployment itself has written to it.
        is_unedited: !matches!(state, NewVersion::Complete),
        owned: how.owned.clone(),
    };
    let outcome = etc_on_disk::merge(&inputs, &request, observer)?;
    let planned = outcome.planned.as_ref().map(|now| -> Result<Version> {
        let id = if is_there { volume.run_id(new)? } else { None };
        let built = left::built(volume, Some(&new_orig), &kept)?;
        Ok(Version { id, built, now: now.clone(), record: Some(outcome.record.clone()) })
    });
    let (planned, moves) = (planned.transpose()?, outcome.record.moves.clone());
    Ok(Merged { outcome: Some(outcome), moves, planned })
}

/// The trees of the new version, and its records.
struct Trees {
    new_version: Dir,
    new_orig: Dir,
    new_run: Dir,
    new_record: Option<Record>,
    kept: Vec<&'static Database>,
}

impl Trees {
    fn of(volume: &Volume, new: &ExistingLabel, state: NewVersion<'_>) -> Result<Self> {
        if let NewVersion::Planned(orig) = state {
            // Nothing is written to the place of a version that is not there, so its tree can stand for it.
            let kept = state::databases_to_keep(volume, orig, &fstab_of(orig)?)?;
            let [new_version, new_orig, new_run] = [orig.duplicate()?, orig.duplicate()?, orig.duplicate()?];
            return Ok(Trees { new_version, new_orig, new_run, new_record: None, kept });
        }
        let new_version = volume.version_dir(new)?;
        let (new_orig, new_run) = (new_version.dir(ORIG)?, new_version.dir(RUN)?);
        let kept = databases::kept(&new_orig, &new_run)?;
        Ok(Trees { new_version, new_orig, new_run, new_record: volume.merge_record(new)?, kept })
    }
}

/// The directories that a version ships and that are shared, each with the shared one.
fn shared(volume: &Volume, orig: &Dir) -> Result<Vec<(Dir, Dir)>> {
    let mut shared = Vec::new();
    for Shared { name, place } in shared_of(orig)? {
        let pair = (orig.dir_if_exists(place)?, volume.top().dir_if_exists(layout::state(name))?);
        if let (Some(shipped), Some(state)) = pair {
            shared.push((shipped, state));
        }
    }
    Ok(shared)
}

/// Fails if nothing can be merged from the version, because all of `etc` is gone from it, which nobody means, or because the tree as built is.
pub(super) fn require(volume: &Volume, old: &ExistingLabel) -> Result<()> {
    let version = volume.version_dir(old)?;
    let built = version.dir_if_exists(ORIG)?.ok_or_else(|| without_orig(old))?;
    let is_empty = |version: &Dir| -> Result<bool> {
        version.dir_if_exists(ETC)?.map_or(Ok(true), |etc| Ok(etc.entries()?.is_empty()))
    };
    if is_empty(&version.dir(RUN)?)? && !is_empty(&built)? {
        return Err(Error::refused(format!(
            "version {old} has no /etc any more, so there is nothing to merge; put it back, from /systems/{old}/{ORIG} for example"
        )));
    }
    Ok(())
}

/// Chooses again what the merge that is repeated has chosen.
fn repeat(options: &mut Options, before: &Record, state: NewVersion<'_>) {
    options.earlier_take.clone_from(&before.choices.take);
    options.hostname_from_new |= before.choices.hostname_from_new;
    // A person who merges again may want other rules.
    options.original_rules |= before.choices.original_rules && matches!(state, NewVersion::Unedited);
}

fn without_orig(old: &ExistingLabel) -> Error {
    Error::refused(format!(
        "version {old} has no {ORIG}, so nobody can tell what was changed in its /etc; \
         restore it, or make another version the default first"
    ))
}

/// The steps of a merge.
pub fn steps(merged: Option<&Merged>) -> &[Step] {
    merged.and_then(|merged| merged.outcome.as_ref()).map_or(&[], |outcome| &outcome.steps)
}

/// Fails if the merge leaves conflicts.
pub(super) fn refuse_conflicts(label: &ExistingLabel, merged: Option<&Merged>) -> Result<()> {
    let paths: Vec<_> = merged.into_iter().flat_map(conflicts).cloned().collect();
    if paths.is_empty() { Ok(()) } else { Err(Refusal::Conflicts { label: label.clone(), paths }.into()) }
}

/// The unresolved conflicts of a merge, as paths below `/etc`.
pub fn conflicts(merged: &Merged) -> impl Iterator<Item = &EtcPath> {
    merged.outcome.iter().flat_map(|outcome| outcome.record.conflicts.iter().map(|conflict| &conflict.path))
}
