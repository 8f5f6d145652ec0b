//! `/etc` between the versions of a volume: merges it when a version is deployed, merges it again before that boots, or copies it to all.

mod external;
mod left;
mod snapshot;
mod sync;

use std::path::{Path, PathBuf};

pub use external::{INHERITED_LOCK, MOUNTED_VOLUME};
pub(super) use left::{edits, name_forgotten, name_last, name_missing};
pub use sync::sync;

use crate::etc::{EtcPath, Options, Record};
use crate::extension::Environment;
use crate::fstab::{Fstab, Line};
use crate::label::ExistingLabel;
use crate::layout::{self, BOOT_RECORD, ORIG, RUN, SHARED};
use crate::operations::{full, losses, state, sweep};
use crate::rootfs::deployment;
use crate::rootfs::etc::merge::Durability;
use crate::rootfs::etc::staged::ETC;
use crate::rootfs::etc::{self as etc_on_disk, Inputs, Outcome, Request};
use crate::rootfs::shared::{Shared, shared_of};
use crate::volume::{Survey, Volume};
use system::dir::{Dir, MOST_TEXT};
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
    if volume.lock().is_some() {
        survey.require(volume, new)?;
    }
    refuse_unfit(volume, old, new)?;
    if volume.lock().is_some() && !how.dry_run {
        sweep::sweep(volume, &survey.complete)?;
    }
    let merged =
        full::explain(volume, None, merge_with(volume, old, new, how, NewVersion::Complete, observer))?;
    if how.dry_run {
        losses::name(volume, old, new, observer)?;
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum NewVersion {
    /// Complete. The result must be on the disk before it is put in place.
    Complete,
    /// Complete, and nobody has edited its `/etc`.
    Unedited,
    /// Being deployed. It is committed as a whole.
    Deploying,
}

impl NewVersion {
    fn durability(self) -> Durability {
        match self {
            NewVersion::Complete | NewVersion::Unedited => Durability::BeforeTheExchange,
            NewVersion::Deploying => Durability::WithTheVersion,
        }
    }
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
    state: NewVersion,
    observer: &dyn Observer,
) -> Result<Merged> {
    require(volume, old)?;
    let (old_version, new_version) = (volume.version_dir(old)?, volume.version_dir(new)?);
    let old_orig = old_version.dir_if_exists(ORIG)?.ok_or_else(|| without_orig(old))?;
    let frozen = snapshot::of_run(volume, old, &old_version, observer)?;
    let (new_orig, new_run) = (new_version.dir(ORIG)?, new_version.dir(RUN)?);
    let (old_record, new_record) = (volume.merge_record(old)?, volume.merge_record(new)?);
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
    let mut options = how.options.clone();
    options.hostname_from_new |= deployment::meta(&new_orig)?.get("HOSTNAME").is_some();
    if let Some(before) = &new_record
        && volume.is_merged_from(new, before, old)?
    {
        repeat(&mut options, before, state);
    }
    let is_whole = old_version.has(BOOT_RECORD)?;
    options.fstab = completed_fstabs(volume, [&old_orig, frozen.dir(), &new_orig], &new_run, is_whole)?;
    let request = Request {
        options,
        dry_run: how.dry_run,
        again: how.again,
        durability: state.durability(),
        // Until it is deployed, only the deployment itself has written to it.
        is_unedited: state != NewVersion::Complete,
        owned: how.owned.clone(),
    };
    let outcome = etc_on_disk::merge(&inputs, &request, observer)?;
    let moves = outcome.record.moves.clone();
    Ok(Merged { outcome: Some(outcome), moves })
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
fn repeat(options: &mut Options, before: &Record, state: NewVersion) {
    options.earlier_take.clone_from(&before.choices.take);
    options.hostname_from_new |= before.choices.hostname_from_new;
    // A person who merges again may want other rules.
    options.original_rules |= before.choices.original_rules && state == NewVersion::Unedited;
}

/// The three fstabs with the volume's own lines, so that these lines do not count as changes. The lines of package databases follow the new
/// version alone, whatever the old one had.
///
/// The fstab of an old version that was deployed (`is_whole`) had the other lines, so one that is missing was removed by somebody.
fn completed_fstabs(
    volume: &Volume,
    versions: [&Dir; 3],
    new_run: &Dir,
    is_whole: bool,
) -> Result<Option<[Option<Vec<u8>>; 3]>> {
    let [old_orig, old_run, new_orig] = versions;
    let new_lines = state::fstab_lines(volume, new_orig, Some(new_run))?;
    if new_lines.is_empty() {
        return Ok(None);
    }
    let old_lines = state::fstab_lines(volume, old_orig, None)?;
    let is_database = |line: &Line| line.kept_database().is_some();
    let others = state::disk_mounts(volume)?;
    let is_shared = |target: &Path| SHARED.iter().any(|name| target == Path::new("/").join(name));
    let had = |target: &Path| target == Path::new("/") || is_shared(target) || others.mounts(target);
    let mut user_lines = old_lines.clone();
    user_lines.retain(|line| !is_whole || !line.target.as_deref().is_some_and(had));
    let old = |version, lines: &[Line]| -> Result<Fstab> {
        Ok(fstab_of(version)?.without(is_database).completed(lines))
    };
    let (built, user) = (old(old_orig, &old_lines)?, old(old_run, &user_lines)?);
    // Where the user has mounted something else, the line counts as an old one, so that the user's line is the only change.
    let mut databases = new_lines.clone();
    databases
        .retain(|line| is_database(line) && line.target.as_deref().is_some_and(|place| user.mounts(place)));
    let built = built.completed(&databases);
    let new = fstab_of(new_orig)?.completed(&new_lines);
    Ok(Some([built, user, new].map(|fstab| Some(fstab.render()))))
}

/// The fstab of a version as its deployment leaves it, if that merges nothing; `None` if that adds nothing.
fn deployed_fstab(volume: &Volume, orig: &Dir, run: &Dir) -> Result<Option<Vec<u8>>> {
    let lines = state::fstab_lines(volume, orig, Some(run))?;
    Ok(if lines.is_empty() { None } else { Some(fstab_of(orig)?.completed(&lines).render()) })
}

/// The fstab in a version's tree. If it is no file, the result is empty.
fn fstab_of(version: &Dir) -> Result<Fstab> {
    let own = match version.dir_if_exists("etc")? {
        Some(etc) if etc.is_file("fstab")? => etc.read("fstab", MOST_TEXT)?,
        _ => Vec::new(),
    };
    Ok(Fstab::parse(&own))
}

fn without_orig(old: &ExistingLabel) -> Error {
    Error::refused(format!(
        "version {old} has no {ORIG}, so nobody can tell what was changed in its /etc; \
         restore it, or make another version the default first"
    ))
}

/// The unresolved conflicts of a merge, as paths below `/etc`.
pub fn conflicts(merged: &Merged) -> impl Iterator<Item = &EtcPath> {
    merged.outcome.iter().flat_map(|outcome| outcome.record.conflicts.iter().map(|conflict| &conflict.path))
}
