//! Merges one version's `/etc` into another's, on disk.

use std::path::PathBuf;

use system::atomic;
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;
use system::undo::{Undo, tidy};

use super::reown::Reown;
use super::staged::{self, Staged};
use super::{dangling, pending, scan};
use crate::etc::fingerprint::fingerprint_of_result;
use crate::etc::left::{dropped, named};
use crate::etc::{EtcPath, Options, Record, Step, Tree, Trees, fstab, plan};
use crate::layout::MERGE_RECORD;
use crate::refusal::Refusal;
use system::owners::IdMoves;

/// The directories and records that a merge reads, and the directories that it changes.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The label of the old version.
    pub old: &'a str,
    /// The UUID of its `run`, if that is a subvolume.
    pub old_id: Option<String>,
    /// The label of the new version.
    pub new: &'a str,
    /// The old version as built.
    pub old_orig: &'a Dir,
    /// The old version as the user left it: a read-only snapshot.
    pub old_run: &'a Dir,
    /// The record of the merge that made the old version's `etc`, if there was one.
    pub old_record: Option<&'a Record>,
    /// The new version as built.
    pub new_orig: &'a Dir,
    /// The new version as it will be booted. This is changed.
    pub new_run: &'a Dir,
    /// The record of the last merge into the new version, if there was one.
    pub new_record: Option<&'a Record>,
    /// Directories of the new version as built, each with the shared state that the version has in its place. Files that it added there follow
    /// their accounts.
    pub shared: &'a [(Dir, Dir)],
    /// `systems/NEW`. It gets the record, and `etc.before-merge` if an edited `etc` is replaced.
    pub new_version: &'a Dir,
}

/// The moment at which a new `etc` has to be on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// With everything else of the version, which the caller commits as a whole: the version is not complete yet.
    #[default]
    WithTheVersion,
    /// Before it takes the place of the old one. The version can be booted already, so a crash must leave it with the whole old `etc` or the
    /// whole new one.
    BeforeTheExchange,
}

/// The options of a merge on disk.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The options of the rules.
    pub options: Options,
    /// Whether only to plan.
    pub dry_run: bool,
    /// Whether to merge even if somebody has edited the new version's `etc`.
    pub again: bool,
    /// Whether the caller knows already that nobody has edited the new version's `etc`.
    pub is_unedited: bool,
    /// When the result has to be on the disk.
    pub durability: Durability,
    /// All names in the new version's `orig` that do not belong to root alone or have an ACL, if they are known.
    pub owned: Option<Vec<PathBuf>>,
}

/// The outcome of a merge.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The step for every path that is not the same in all three trees.
    pub steps: Vec<Step>,
    /// The record, which was written as `systems/NEW/merge.json` unless it was a dry run.
    pub record: Record,
    /// The number of inodes of the new version outside `etc` that got another owner.
    pub reowned: u64,
    /// The result, if it was a dry run.
    pub planned: Option<Tree>,
}

/// The name in `systems/NEW` under which an edited `etc` is kept when it is merged again.
pub const BEFORE_MERGE: &str = "etc.before-merge";

/// Merges the old version's `etc` into the new version's `run`. After a failure `run` is unchanged.
pub fn merge(inputs: &Inputs<'_>, request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    observer.phase(format!("merging /etc of {} into {}", inputs.old, inputs.new));
    let trees = Trees {
        v1: read_etc(inputs.old_orig)?,
        user: read_etc(inputs.old_run)?,
        v2: read_etc(inputs.new_orig)?,
    };
    let now = now_unless_edited(inputs, request, &trees.v2)?;
    let built = trees.v2.clone();
    let mut plan = plan(trees, inputs.old_record, &request.options)?;
    let more = dangling::point_out(&mut plan, inputs.old_run, inputs.new_orig)?;
    if more > 0 {
        observer.warn(format!("{more} more links in /etc lead to what {} lacks", inputs.new));
    }
    let record = Record {
        old_run: inputs.old_id.clone(),
        older: inputs.old_record.map(Record::sources).unwrap_or_default(),
        ..plan.record(inputs.old)
    };
    if request.dry_run {
        return Ok(Outcome { steps: plan.steps, record, reowned: 0, planned: Some(plan.result) });
    }
    // What is being deployed is nobody's yet.
    if inputs.new_record.is_some() || !request.is_unedited {
        let deployed = as_deployed(&built, request);
        keep(&now, &dropped(&[built, deployed], inputs.new_record, &now, &plan.result), inputs, observer)?;
    }
    let staged = Staged::write(&plan.result, inputs.new_run)?;
    if request.durability == Durability::BeforeTheExchange {
        staged.sync()?;
    }
    let none = IdMoves::default();
    let earlier = inputs.new_record.map_or(&none, |record| &record.moves);
    let place = Place {
        version: inputs.new_version,
        orig: inputs.new_orig,
        run: inputs.new_run,
        // Without a record nobody knows the numbers that the version's files got.
        shared: if inputs.new_record.is_some() { inputs.shared } else { &[] },
        durability: request.durability,
    };
    let reown = Reown { moves: &plan.moves, earlier, owned: request.owned.as_deref(), is_shared: false };
    let reowned = put_in_place(&staged, reown, place, &record)?;
    report(&plan.steps, observer);
    Ok(Outcome { steps: plan.steps, record, reowned, planned: None })
}

/// Reads the `etc` in a tree. If there is none, the result is empty.
pub fn read_etc(version: &Dir) -> Result<Tree> {
    version.dir_if_exists("etc")?.map_or_else(|| Ok(Tree::default()), scan::read)
}

/// The version whose `etc` is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its directory.
    pub version: &'a Dir,
    /// The tree as built.
    pub orig: &'a Dir,
    /// The tree that boots.
    pub run: &'a Dir,
    /// As in [`Inputs`].
    pub shared: &'a [(Dir, Dir)],
    /// When the new `etc` has to be on the disk.
    pub durability: Durability,
}

/// Changes owners, exchanges `etc`, and writes the record. A failure takes everything back. After a crash [`pending::settle`] repairs it.
pub fn put_in_place(staged: &Staged<'_>, reown: Reown<'_>, place: Place<'_>, record: &Record) -> Result<u64> {
    let Place { version, orig, run, shared, durability } = place;
    let is_complete = durability == Durability::BeforeTheExchange;
    let mut undo = Undo::new();
    if is_complete {
        undo.push("forget the merge", move || pending::forget(version));
        pending::note(version, staged, record)?;
    }
    let back = Reown { moves: reown.earlier, earlier: reown.moves, ..reown };
    let everywhere = move |reown: Reown<'_>| -> Result<u64> {
        for (shipped, state) in shared {
            Reown { owned: None, is_shared: true, ..reown }.run(shipped, state)?;
        }
        reown.run(orig, run)
    };
    undo.push("give files back to their owners", move || everywhere(back).map(drop));
    let count = everywhere(reown)?;
    staged.exchange()?;
    undo.push("put the old etc back", || staged.exchange());
    if is_complete {
        // Without this sync a power cut could undo the exchange, but not the record, which is synced by itself.
        staged.sync()?;
    }
    atomic::write(version, MERGE_RECORD, 0o600, &record.to_json())?;
    undo.commit();
    if is_complete {
        tidy(pending::forget(version));
    }
    Ok(count)
}

/// The new version's `etc`, which the merge replaces. Fails if somebody has edited it, unless its edits may be dropped.
fn now_unless_edited(inputs: &Inputs<'_>, request: &Request, v2: &Tree) -> Result<Tree> {
    let now = read_etc(inputs.new_run)?;
    if request.is_unedited || request.again {
        return Ok(now);
    }
    let is_edited = if let Some(record) = inputs.new_record {
        record.result_changed(&now)
    } else {
        let found = fingerprint_of_result(&now);
        found != fingerprint_of_result(v2) && found != fingerprint_of_result(&as_deployed(v2, request))
    };
    if is_edited {
        return Err(Refusal::EtcEdited { label: inputs.new.to_owned(), kept: BEFORE_MERGE }.into());
    }
    Ok(now)
}

/// The new version's `etc` as its deployment left it, if that merged nothing.
fn as_deployed(v2: &Tree, request: &Request) -> Tree {
    let mut completed = v2.clone();
    if let Some([_, _, Some(text)]) = &request.options.fstab {
        fstab::put(&mut completed, text);
    }
    completed
}

/// Keeps the new version's `etc` of before, if edits in it are dropped, and names them.
fn keep(now: &Tree, dropped: &[EtcPath], inputs: &Inputs<'_>, observer: &dyn Observer) -> Result<()> {
    if dropped.is_empty() {
        return Ok(());
    }
    replace_copy(now, inputs.new_version, BEFORE_MERGE)?;
    let place = inputs.new_version.shown(BEFORE_MERGE);
    observer.warn(format!(
        "edits in /etc of {} are dropped: {} (its /etc of before is kept in {})",
        inputs.new,
        named(dropped),
        place.display()
    ));
    Ok(())
}

/// Writes a tree to `name` in `parent`. It replaces an earlier one.
pub fn replace_copy(tree: &Tree, parent: &Dir, name: &str) -> Result<()> {
    let temporary = atomic::temporary_name(name);
    parent.remove_tree(&temporary)?;
    let mut undo = Undo::new();
    undo.push(format!("remove {}", parent.shown(&temporary).display()), || parent.remove_tree(&temporary));
    staged::write(tree, parent, &temporary)?;
    if parent.has(name)? {
        atomic::exchange(parent, &temporary, parent, name)?;
    } else {
        parent.rename(&temporary, name)?;
    }
    parent.remove_tree(&temporary)?;
    undo.commit();
    Ok(())
}

/// Warns of all steps that the user should look at.
fn report(steps: &[Step], observer: &dyn Observer) {
    for step in steps.iter().filter(|step| step.is_named()) {
        observer.warn(step.to_string());
    }
}
