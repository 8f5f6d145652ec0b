//! The record of a trial: written, brought into order when the trial has ended, and removed.

use std::path::Path;
use std::time::Duration;

use system::atomic;
use system::btrfs;
use system::error::{Error, Result};
use system::observer::Observer;

use crate::boot::trial::{CameUp, Outcome, State, Trial};
use crate::history::Deed;
use crate::json;
use crate::label::ExistingLabel;
use crate::layout::{CAME_UP, PRIVATE, TRIAL};
use crate::operations::history::{self, More};
use crate::operations::{etc, one_shot};
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// Disarms a trial, and whatever else the boot loader was told to boot once. `next` is what was chosen instead; it also ends a trial that is
/// running.
pub fn call_off(volume: &Volume, next: Option<&ExistingLabel>, observer: &dyn Observer) -> Result<()> {
    let trial = volume.trial()?;
    let is_told = name_once(volume, next, observer)?;
    if let Some((trial, State::Armed | State::NotTried)) = &trial {
        // What is not booted any more did not come back.
        record(volume, &Trial { armed: false, ..trial.clone() })?;
        btrfs::commit(volume.top())?;
    }
    if is_told {
        one_shot::clear(volume)?;
    }
    match (trial, next) {
        (Some((trial, State::Running)), Some(next)) if trial.label != *next => {
            let why = format!("{next} was chosen instead");
            end(volume, &trial, &Outcome { confirmed: false, why, took: None }, observer)
        }
        (Some((trial, State::CameBack)), _) => came_back(volume, &trial, observer),
        (Some((_, State::Running)) | None, _) => Ok(()),
        (Some(_), _) => forget(volume),
    }
}

/// Looks what [`call_off`] would find, and names it. Changes nothing.
pub fn look(volume: &Volume, next: Option<&ExistingLabel>, observer: &dyn Observer) -> Result<()> {
    volume.trial()?;
    name_once(volume, next, observer).map(drop)
}

/// Names the version that the boot loader was to boot once and, because of the choice of `next`, does not boot. Returns whether the boot loader
/// was told of any.
fn name_once(volume: &Volume, next: Option<&ExistingLabel>, observer: &dyn Observer) -> Result<bool> {
    let one_shot = volume.one_shot()?;
    let Some(once) = one_shot.told() else { return Ok(false) };
    let label = once.split(' ').next().unwrap_or_default();
    if next.is_none_or(|next| next.as_str() != label) {
        observer.note(format!("{label}, which was to be booted once, is not any more"));
    }
    Ok(true)
}

/// Ends the record of a trial that has ended: how it went is kept beside the version. Every operation begins with this.
pub fn settle(volume: &Volume, survey: &Survey, observer: &dyn Observer) -> Result<()> {
    if let Some(fault) = volume.trial_fault()? {
        observer.warn(format!("{fault}: no version is on trial any more"));
        return forget(volume);
    }
    let Some((trial, state)) = volume.trial()? else { return Ok(()) };
    let is_there = survey.complete.contains(&trial.label);
    match state {
        State::Armed | State::NotTried if is_there => Ok(()),
        State::Running => Ok(()),
        State::CameBack if trial.again > 0 && is_there => Ok(()),
        State::CameBack if is_there => {
            observer.warn(format!("{} came back from its trial: {}", trial.label, trial.reason()));
            if let Some(default) = survey.default.as_ref().filter(|default| survey.complete.contains(default))
            {
                etc::name_missing(volume, &trial.label, default.into(), observer)?;
            }
            came_back(volume, &trial, observer)
        }
        State::Confirmed if is_there => {
            end(volume, &trial, &Outcome { confirmed: true, why: String::new(), took: None }, observer)
        }
        _ => forget(volume),
    }
}

/// Fails if the version is on trial.
pub fn refuse_on_trial(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    match volume.trial()? {
        Some((trial, State::Armed | State::NotTried | State::Running)) if trial.label == *label => {
            Err(Refusal::OnTrial { label: label.clone() }.into())
        }
        _ => Ok(()),
    }
}

/// How the last trial of the version ended. A record that cannot be read is named, and counts as none.
pub fn outcome(volume: &Volume, label: &ExistingLabel, observer: &dyn Observer) -> Result<Option<Outcome>> {
    match volume.trial_outcome(label) {
        Err(error @ Error::Malformed { .. }) => {
            observer.warn(error.to_string());
            Ok(None)
        }
        outcome => outcome,
    }
}

/// Ends the trial as one from which the machine came back.
fn came_back(volume: &Volume, trial: &Trial, observer: &dyn Observer) -> Result<()> {
    end(volume, trial, &Outcome { confirmed: false, why: trial.reason().into(), took: None }, observer)
}

/// Writes how the trial ended beside the version, and removes its record.
pub fn end(volume: &Volume, trial: &Trial, outcome: &Outcome, observer: &dyn Observer) -> Result<()> {
    atomic::write(&volume.version_dir(&trial.label)?, TRIAL, 0o644, &json::file(outcome))?;
    forget(volume)?;
    let deed = if outcome.confirmed { Deed::Confirmed } else { Deed::CameBack };
    history::add(volume, deed, &trial.label, More { words: &outcome.why, from: None }, observer);
    Ok(())
}

/// Records that the running version has come up, unless that is known.
pub fn came_up(volume: &Volume, took: Option<Duration>, observer: &dyn Observer) -> Result<()> {
    let Some(label) = volume.unrecorded()? else { return Ok(()) };
    let came_up = CameUp { took: took.map(|took| took.as_secs()) };
    atomic::write(&volume.version_dir(label)?, CAME_UP, 0o644, &json::file(&came_up))?;
    history::add(volume, Deed::CameUp, label, More::default(), observer);
    Ok(())
}

/// Writes the record.
pub fn record(volume: &Volume, trial: &Trial) -> Result<()> {
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    atomic::rewrite(&private, TRIAL, 0o600, &json::file(trial))
}

/// Removes the record, after the boot loaders have forgotten the trial. There may be no record.
pub fn forget(volume: &Volume) -> Result<()> {
    let path = Path::new(PRIVATE).join(TRIAL);
    if volume.top().has(&path)? {
        one_shot::clear(volume)?;
        volume.top().remove_file(&path)?;
        btrfs::commit(volume.top())?;
    }
    Ok(())
}
