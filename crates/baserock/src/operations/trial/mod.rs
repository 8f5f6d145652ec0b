//! Tries a version: it is booted once, and the default changes only when it is confirmed.
//!
//! The boot loader is told last, when all that the trial needs is on the disk. It forgets what it was told before it starts the trial. So the
//! next boot after a trial is the default, whatever has become of the trial.

pub(super) mod record;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delta::Manifest;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;
use system::undo::Undo;

use self::record::{call_off, end, forget};
use super::etc::{self, EtcMerge, MergedAgain};
use super::history::{self, More};
use super::set_default::{self, SetDefault};
use super::{full, menu, one_shot, removable, repair};
use crate::boot::trial::{Outcome, State, Trial};
use crate::history::Deed;
use crate::label::ExistingLabel;
use crate::layout::RUN;
use crate::refusal::Refusal;
use crate::volume::{Kind, Survey, Volume};

/// The unit that confirms a trial, and where it is enabled.
const CONFIRM: &str = "baserock-confirm.service";
const PLACES: [&str; 3] = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
const TARGETS: [&str; 3] = ["multi-user.target.wants", "default.target.wants", "graphical.target.wants"];
/// The script that does both in a tree without systemd.
const SCRIPT: &str = "etc/init.d/baserock-trial";

/// The options of a trial.
#[derive(Clone, Debug)]
pub struct Try {
    /// The version.
    pub label: ExistingLabel,
    /// The options for merging `/etc` again if that is needed; `None` leaves it as it is.
    pub etc: Option<EtcMerge>,
    /// The time from the start of the kernel by which it has to be confirmed.
    pub deadline: Duration,
    /// How often it is booted, if it comes back; at least once.
    pub tries: u32,
    /// Whether the version need not have units for trials.
    pub without_units: bool,
    /// Whether it must not confirm itself: somebody else does when it has found itself well.
    pub by_hand: bool,
}

/// What was done about a trial when the machine came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// There was nothing to do.
    Nothing,
    /// The running version was confirmed.
    Confirmed(ExistingLabel),
    /// The running version is well, and somebody else is going to confirm it.
    Well(ExistingLabel),
    /// The version came back, and is tried again by the next boot.
    Again(ExistingLabel),
}

/// Arms a trial. When this returns, the next boot is that version, and the one after it is the default again.
pub fn arm(volume: &Volume, options: &Try, observer: &dyn Observer) -> Result<MergedAgain> {
    full::explain(volume, None, attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Try, observer: &dyn Observer) -> Result<MergedAgain> {
    let label = &options.label;
    let survey = volume.survey()?;
    check(volume, &survey, options)?;
    let survey = repair::repair(volume, &survey, observer)?;
    call_off(volume, Some(label), observer)?;
    warn_of_deadline(volume, &survey, options, observer)?;
    let set = SetDefault { label: label.clone(), etc: options.etc.clone() };
    let merged = set_default::merge_late(volume, &survey, &set, observer)?;
    observer.phase(format!("telling the boot loader to boot {label} once"));
    let trial = Trial {
        label: label.clone(),
        armed_in: volume.boot_id()?,
        deadline: options.deadline.as_secs(),
        again: options.tries.saturating_sub(1),
        armed: false,
        by_hand: options.by_hand,
        well: false,
        started: false,
        expired: false,
    };
    tell(volume, &trial)?;
    history::add(volume, Deed::Tried, label, More::default(), observer);
    Ok(merged)
}

/// Records the trial, and tells the boot loader.
fn tell(volume: &Volume, trial: &Trial) -> Result<()> {
    let mut undo = Undo::new();
    undo.push("call the trial off", || forget(volume));
    record::record(volume, trial)?;
    btrfs::commit(volume.top())?;
    one_shot::arm(volume, &trial.command())?;
    record::record(volume, &Trial { armed: true, ..trial.clone() })?;
    btrfs::commit(volume.top())?;
    undo.commit();
    Ok(())
}

/// Fails if the version cannot be tried. Changes nothing.
fn check(volume: &Volume, survey: &Survey, options: &Try) -> Result<()> {
    let label = &options.label;
    survey.require(volume, label)?;
    if survey.running.as_ref() == Some(label) {
        return Err(Refusal::Running { label: label.clone() }.into());
    }
    if survey.default.as_ref() == Some(label) {
        return Err(removable::is_default(label));
    }
    menu::require(volume, survey, label)?;
    require_one_shot(volume)?;
    if options.without_units {
        return Ok(());
    }
    require_unit_in(label, &volume.version_dir(label)?.dir(RUN)?)
}

fn without_unit(label: &ExistingLabel) -> Error {
    Refusal::NoTrialUnit { label: label.clone(), unit: CONFIRM }.into()
}

/// Fails if the boot loader cannot boot something just once.
pub fn require_one_shot(volume: &Volume) -> Result<()> {
    match volume.one_shot()?.why_not() {
        Some(why) => Err(Refusal::NoOneShot { volume: volume.name().to_owned(), why: why.to_owned() }.into()),
        None => Ok(()),
    }
}

/// Fails if the tree of this manifest has nothing that confirms a trial.
pub fn require_unit(label: &ExistingLabel, manifest: &Manifest) -> Result<()> {
    let places: HashSet<PathBuf> = places().collect();
    let has = manifest.entries().iter().any(|entry| places.contains(entry.path()));
    if has { Ok(()) } else { Err(without_unit(label)) }
}

/// Where a tree may have what confirms a trial.
fn places() -> impl Iterator<Item = PathBuf> {
    let links =
        PLACES.iter().flat_map(|place| TARGETS.map(|target| Path::new(place).join(target).join(CONFIRM)));
    links.chain([SCRIPT.into()])
}

/// Fails if this tree of the version has nothing that confirms a trial.
pub fn require_unit_in(label: &ExistingLabel, tree: &Dir) -> Result<()> {
    for path in places() {
        if tree.stat_beneath(&path)?.is_some() {
            return Ok(());
        }
    }
    Err(without_unit(label))
}

/// Says if the deadline is shorter than a version has taken to come up. A record that cannot be read tells nothing.
fn warn_of_deadline(volume: &Volume, survey: &Survey, options: &Try, observer: &dyn Observer) -> Result<()> {
    let mut longest = 0;
    for label in &survey.complete {
        let outcome = record::outcome(volume, label, observer)?;
        let came_up = volume.came_up(label).ok().flatten();
        let took = outcome.and_then(|outcome| outcome.took).max(came_up.and_then(|came_up| came_up.took));
        longest = longest.max(took.unwrap_or(0));
    }
    if longest > options.deadline.as_secs() {
        observer.warn(format!(
            "the deadline is {} s, and a version of this machine took {longest} s to come up",
            options.deadline.as_secs()
        ));
    }
    Ok(())
}

/// Confirms the trial that is running: the version becomes the default. Returns its label. `took` is the time since the kernel started.
pub fn confirm(volume: &Volume, took: Option<Duration>, observer: &dyn Observer) -> Result<ExistingLabel> {
    match volume.trial()? {
        Some((trial, State::Running)) => {
            full::explain(volume, None, keep(volume, &trial, took, observer))?;
            Ok(trial.label)
        }
        Some((trial, State::Armed | State::NotTried)) => {
            Err(Refusal::TrialNotRunning { label: trial.label }.into())
        }
        _ => Err(Refusal::NoTrial.into()),
    }
}

fn keep(volume: &Volume, trial: &Trial, took: Option<Duration>, observer: &dyn Observer) -> Result<()> {
    let label = &trial.label;
    let survey = repair::repair(volume, &volume.survey()?, observer)?;
    for old in survey.default.iter().filter(|old| *old != label) {
        etc::name_missing(volume, old, label.into(), observer)?;
    }
    if volume.boot().kind() != Kind::Volume {
        btrfs::commit(volume.top())?;
    }
    observer.phase(format!("making {label} the default"));
    menu::write(volume, &survey, label, None, observer)?;
    let took = took.map(|took| took.as_secs());
    end(volume, trial, &Outcome { confirmed: true, why: String::new(), took }, observer)
}

/// Ends the trial, whether it is armed or running, or to be tried again. Returns its label and whether it is running; `None` if there is none,
/// or if it has ended already. `why` says in words why a running one is ended.
pub fn abandon(volume: &Volume, why: &str, observer: &dyn Observer) -> Result<Option<(ExistingLabel, bool)>> {
    repair::repair(volume, &volume.survey()?, observer)?;
    let Some((trial, state)) = volume.trial()? else { return Ok(None) };
    let is_running = state == State::Running;
    if is_running {
        end(volume, &trial, &Outcome { confirmed: false, why: why.to_owned(), took: None }, observer)?;
    } else {
        call_off(volume, None, observer)?;
    }
    Ok(Some((trial.label, is_running)))
}

/// What a machine does about a trial when it has come up: a version that is on trial is confirmed, and one that came back is tried again, as
/// often as was asked.
pub fn resume(volume: &Volume, took: Option<Duration>, observer: &dyn Observer) -> Result<Resumed> {
    match volume.trial()? {
        None => {
            record::came_up(volume, took, observer)?;
            Ok(Resumed::Nothing)
        }
        Some((trial, State::Running)) if trial.by_hand => {
            record::record(volume, &Trial { well: true, started: true, ..trial.clone() })?;
            btrfs::commit(volume.top())?;
            Ok(Resumed::Well(trial.label))
        }
        Some((_, State::Running)) => confirm(volume, took, observer).map(Resumed::Confirmed),
        Some((trial, State::CameBack)) if trial.again > 0 && volume.running().is_some() => {
            let armed_in = volume.boot_id()?;
            let again = trial.again - 1;
            tell(volume, &Trial { armed_in, again, ..trial.afresh() })?;
            Ok(Resumed::Again(trial.label))
        }
        Some(_) => {
            repair::repair(volume, &volume.survey()?, observer)?;
            Ok(Resumed::Nothing)
        }
    }
}

/// Records that the version on trial has come up, if one is running.
pub fn started(volume: &Volume) -> Result<bool> {
    let Some((trial, State::Running)) = volume.trial()? else { return Ok(false) };
    record::record(volume, &Trial { armed: true, started: true, ..trial })?;
    btrfs::commit(volume.top())?;
    Ok(true)
}

/// Whether the running version is the default. If it is on trial instead, that its time is up is recorded.
pub fn expire(volume: &Volume) -> Result<bool> {
    if let Some((trial, State::Running)) = volume.trial()? {
        record::record(volume, &Trial { armed: true, started: true, expired: true, ..trial })?;
        btrfs::commit(volume.top())?;
    }
    Ok(volume.default()?.as_ref() == volume.running())
}
