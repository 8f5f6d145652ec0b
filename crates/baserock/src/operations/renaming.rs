//! The part of a rename that goes on after a crash: two versions have the same content, and the one with the new label takes the place of the
//! other.
//!
//! The version with the new label begins as a twin of the old one, so the menu can switch from one complete version to another. Then their
//! directories exchange their names: the version keeps its subvolumes, by which records know it, and which may be mounted. The twin goes.

use std::path::Path;

use system::atomic;
use system::btrfs;
use system::dir::MOST_TEXT;
use system::error::Result;
use system::observer::Observer;

use super::{deletion, menu, twin};
use crate::boot::entry;
use crate::json;
use crate::label::ExistingLabel;
use crate::layout::{self, INCOMPLETE, MERGE_RECORD, PRIVATE, RENAMING, RUN, SYSTEMS};
use crate::renaming::Renaming;
use crate::volume::{Survey, Volume};

/// The rename that was begun; `None` if there is none. A record that cannot be read is removed, with a warning.
pub fn begun(volume: &Volume, observer: &dyn Observer) -> Result<Option<Renaming>> {
    let path = Path::new(PRIVATE).join(RENAMING);
    let Some(bytes) = volume.top().read_if_exists(&path, MOST_TEXT)? else { return Ok(None) };
    match Renaming::parse(&bytes, &volume.top().shown(&path)) {
        Ok(renaming) => Ok(Some(renaming)),
        Err(error) => {
            observer.warn(format!("{error}: versions stay as they are"));
            forget(volume)?;
            Ok(None)
        }
    }
}

/// Records that a rename begins.
pub fn record(volume: &Volume, renaming: &Renaming) -> Result<()> {
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    atomic::write(&private, RENAMING, 0o600, &json::file(renaming))?;
    btrfs::commit(volume.top())
}

/// Removes the record.
pub fn forget(volume: &Volume) -> Result<()> {
    volume.top().dir(PRIVATE)?.remove_tree(RENAMING)?;
    btrfs::commit(volume.top())
}

/// Ends a rename that a crash has interrupted. Returns whether there was one.
pub fn settle(volume: &Volume, observer: &dyn Observer) -> Result<bool> {
    let Some(renaming) = begun(volume, observer)? else { return Ok(false) };
    let Renaming { old, new } = &renaming;
    let complete = volume.survey()?.complete;
    if !complete.contains(new) {
        take_back(volume, new)?;
    } else if complete.contains(old) && is_twin_edited(volume, &renaming)? {
        observer.warn(format!(
            "renaming {old} to {new} was interrupted, and both were changed since: both stay, as versions of their own"
        ));
    } else {
        return finish(volume, &renaming, observer).map(|()| true);
    }
    forget(volume)?;
    Ok(true)
}

/// Deletes what was begun of the version with the new label. It has no tree but the twin's.
pub fn take_back(volume: &Volume, new: &ExistingLabel) -> Result<()> {
    let Some(version) = volume.top().dir_if_exists(layout::version(new))? else { return Ok(()) };
    if version.has(INCOMPLETE)? || version.entries()?.is_empty() {
        drop(version);
        deletion::delete(volume, new)?;
    }
    Ok(())
}

/// Puts the version with the new label in the place of the other. Each step can be done again.
pub fn finish(volume: &Volume, renaming: &Renaming, observer: &dyn Observer) -> Result<()> {
    let Renaming { old, new } = renaming;
    let survey = renamed(volume.survey()?, renaming);
    if let Some(default) = &survey.default {
        menu::write(volume, &survey, default, None, observer)?;
    }
    if let Some(original) = volume.top().dir_if_exists(layout::version(old).join(RUN))? {
        let systems = volume.top().dir(SYSTEMS)?;
        if twin::is_twin(&original, &volume.version_dir(new)?.dir(RUN)?)? {
            atomic::exchange(&systems, old, &systems, new)?;
            btrfs::commit(volume.top())?;
        }
    }
    name_anew(volume, &survey.complete, renaming)?;
    btrfs::commit(volume.top())?;
    if volume.top().has(layout::version(old))? {
        deletion::delete(volume, old)?;
    }
    forget(volume)
}

/// The survey as it is when the rename has ended.
fn renamed(survey: Survey, Renaming { old, new }: &Renaming) -> Survey {
    let named = |label: ExistingLabel| if label == *old { new.clone() } else { label };
    let mut complete: Vec<_> = survey.complete.into_iter().filter(|label| label != old).collect();
    complete.sort();
    Survey {
        complete,
        default: survey.default.map(named),
        menu: survey.menu.map(|menu| entry::renamed(&menu, old, new)),
        running: survey.running.map(named),
    }
}

/// Whether somebody has written to the twin since it was made, as a machine does that has booted it.
fn is_twin_edited(volume: &Volume, renaming: &Renaming) -> Result<bool> {
    let old = volume.version_dir(&renaming.old)?.dir(RUN)?;
    let new = volume.version_dir(&renaming.new)?.dir(RUN)?;
    let twin = if twin::is_twin(&old, &new)? { new } else { old };
    Ok(btrfs::identity(&twin)?.ctransid > btrfs::made(&twin)?.0)
}

/// Has the records of merges from the version name it by its new label.
fn name_anew(volume: &Volume, complete: &[ExistingLabel], renaming: &Renaming) -> Result<()> {
    let run = volume.run_id(&renaming.new)?;
    for label in complete {
        let Some(mut record) = volume.merge_record(label)? else { continue };
        if record.old == renaming.old.as_str() && (record.old_run.is_none() || record.old_run == run) {
            record.old = renaming.new.to_string();
            atomic::write(&volume.version_dir(label)?, MERGE_RECORD, 0o600, &record.to_json())?;
        }
    }
    Ok(())
}
