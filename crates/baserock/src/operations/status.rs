//! How a volume stands: what runs, what boots next, and what somebody should look at.

use serde::{Deserialize, Serialize};
use system::btrfs;
use system::error::Result;

use super::{loader_limits, removable};
use crate::boot::trial::{Known, State, Trial};
use crate::etc::EtcPath;
use crate::etc::left::named;
use crate::json::Format;
use crate::label::ExistingLabel;
use crate::volume::{Version, Volume};

/// Below this share of the volume, space is short: one in this many bytes.
const SHORT: u64 = 20;

/// How a volume stands. As JSON this is one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The running version, if this is the volume of the running system.
    pub running: Option<ExistingLabel>,
    /// The version that boots next.
    pub next: Option<ExistingLabel>,
    /// Why it does, in words.
    pub why: String,
    /// The default.
    pub default: Option<ExistingLabel>,
    /// The version on trial.
    pub trial: Option<ExistingLabel>,
    /// Whether that runs, has found itself well, and waits for somebody to confirm it.
    #[serde(default)]
    pub well: bool,
    /// What is going to happen, in words: a trial that is armed, or `/etc` that is merged at shutdown.
    pub pending: Vec<String>,
    /// The versions that run or boot next and have open conflicts.
    pub conflicts: Vec<Conflicts>,
    /// The room on the volume; `None` if it is not btrfs.
    pub space: Option<Space>,
    /// The versions that can be removed.
    pub removable: Vec<ExistingLabel>,
    /// What is wrong with the place that boot loaders read, and with what they read there, in words.
    pub boot: Vec<String>,
    /// All that somebody should look at, in words; empty if all is well.
    pub attention: Vec<String>,
}

/// The open conflicts of a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conflicts {
    /// The version.
    pub label: ExistingLabel,
    /// The paths below `/etc`.
    pub paths: Vec<EtcPath>,
}

/// The room on a volume, in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What can still be written.
    pub available: u64,
}

impl Format for Status {}

/// Looks how the volume stands. Changes nothing.
pub fn status(volume: &Volume) -> Result<Status> {
    let versions = volume.versions()?;
    let default = volume.default()?;
    let next = volume.next()?;
    let trial = volume.trial()?;
    let space = space(volume)?;
    let mut status = Status {
        running: volume.running().cloned(),
        why: why(volume, default.as_ref(), next.as_ref())?,
        trial: trial.as_ref().map(|(trial, _)| trial.label.clone()),
        well: trial.as_ref().is_some_and(|(trial, state)| *state == State::Running && trial.well),
        pending: Vec::new(),
        conflicts: Vec::new(),
        space,
        removable: removable::labels(volume, None)?,
        boot: boot(volume, &versions)?,
        attention: Vec::new(),
        default,
        next,
    };
    for version in versions.iter().filter(|version| !version.is_complete()) {
        let missing = version.missing.as_deref().unwrap_or_default();
        status.attention.push(format!("{} is not complete: {missing}", version.label));
    }
    if status.default.is_none() {
        status.attention.push("no version is the default".to_owned());
    }
    look_at_trials(volume, &versions, trial.as_ref(), &mut status)?;
    look_at_etc(volume, &versions, &mut status);
    if let Some(space) = space.filter(|space| space.available < space.total / SHORT) {
        let (available, total) = (space.available >> 20, space.total >> 20);
        status.attention.push(format!("space is short: {available} of {total} MiB are free"));
    }
    status.attention.extend(status.boot.iter().cloned());
    Ok(status)
}

fn why(volume: &Volume, default: Option<&ExistingLabel>, next: Option<&ExistingLabel>) -> Result<String> {
    Ok(match next {
        None => "no version is the default".to_owned(),
        Some(_) if next != default => "it is on trial, and boots once".to_owned(),
        Some(_) if volume.boot().menu()?.is_some() => "it is the default of the boot menu".to_owned(),
        Some(_) => "it is the default; there is no boot menu, so another boot loader decides".to_owned(),
    })
}

fn space(volume: &Volume) -> Result<Option<Space>> {
    if !btrfs::is_btrfs(volume.top())? {
        return Ok(None);
    }
    let space = btrfs::space(volume.top())?;
    Ok(Some(Space { total: space.total, available: space.available }))
}

/// The faults of the complete versions that concern booting, and the limits of the boot loader.
fn boot(volume: &Volume, versions: &[Version]) -> Result<Vec<String>> {
    let mut faults = loader_limits::exceeded(volume)?;
    for version in versions.iter().filter(|version| version.is_complete()) {
        let label = &version.label;
        faults.extend(volume.faults(label)?.into_iter().map(|fault| format!("{label}: {fault}")));
    }
    Ok(faults)
}

fn look_at_trials(
    volume: &Volume,
    versions: &[Version],
    trial: Option<&(Trial, State)>,
    status: &mut Status,
) -> Result<()> {
    if let Some(fault) = volume.trial_fault()? {
        status.attention.push(fault.to_string());
    }
    if let Some((Trial { label, .. }, state)) = trial.filter(|(_, state)| *state != State::CameBack) {
        let is_well = matches!(state, State::Armed | State::Running);
        let place = if is_well { &mut status.pending } else { &mut status.attention };
        place.push(format!("trial of {label}: {state}"));
    }
    for Version { label, .. } in versions {
        match volume.trial_of(label) {
            Ok(known) => status.attention.extend(known.iter().filter_map(Known::came_back).map(|why| {
                match volume.running().filter(|running| *running != label) {
                    Some(running) => format!("the machine came back from {label} and runs {running}: {why}"),
                    None => format!("{label} came back from its last trial: {why}"),
                }
            })),
            Err(error) => status.attention.push(error.to_string()),
        }
    }
    Ok(())
}

/// Late changes of `/etc`, and conflicts of the versions that run or boot next.
fn look_at_etc(volume: &Volume, versions: &[Version], status: &mut Status) {
    for label in versions.iter().filter(|version| version.is_complete()).map(|version| &version.label) {
        let is_next = status.next.as_ref() == Some(label);
        if !is_next && status.running.as_ref() != Some(label) {
            continue;
        }
        match volume.open_conflicts(label) {
            Ok(paths) if paths.is_empty() => {}
            Ok(paths) => {
                status.attention.push(format!("/etc of {label} has open conflicts: {}", named(&paths)));
                status.conflicts.push(Conflicts { label: label.clone(), paths });
            }
            Err(error) => status.attention.push(error.to_string()),
        }
        if !is_next || status.running.as_ref() == Some(label) {
            continue;
        }
        match volume.late_changes(label) {
            Ok(None) => {}
            Ok(Some(late)) => {
                let paths =
                    if late.paths.is_empty() { String::new() } else { format!(": {}", named(&late.paths)) };
                let words = format!(
                    "/etc of {} has changed since it was merged into {label}, which boots next{paths}",
                    late.old
                );
                status.pending.push(words.clone());
                status.attention.push(words);
            }
            Err(error) => status.attention.push(error.to_string()),
        }
    }
}
