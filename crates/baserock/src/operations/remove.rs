//! Removes a version: first from the menu, then its data.

use std::time::Duration;

use system::btrfs;
use system::error::Result;
use system::observer::Observer;
use system::sharing::Share;

use super::history::{self, More};
use super::sizes::sizes;
use super::{ballast, deletion, etc, full, menu, reclaim, removable, repair};
use crate::history::Deed;
use crate::label::ExistingLabel;
use crate::volume::{Survey, Volume};

/// The options of a removal.
#[derive(Clone, Debug)]
pub struct Remove {
    /// The version.
    pub label: ExistingLabel,
    /// Whether even `factory` may be removed.
    pub force: bool,
}

/// The longest time to wait until the space of deleted subvolumes is free.
const PATIENCE: Duration = Duration::from_secs(60);

/// Removes the version, complete or not. When this returns, its space is free again.
///
/// A version that is running, the default, or in use is refused, and so is one in which somebody has made a subvolume. Once the menu has
/// stopped naming the version, its data is deleted even if a signal comes. After a crash the next removal finishes the work.
pub fn remove(volume: &Volume, options: &Remove, observer: &dyn Observer) -> Result<()> {
    full::explain(volume, None, attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Remove, observer: &dyn Observer) -> Result<()> {
    let label = &options.label;
    let survey = volume.survey()?;
    removable::check(volume, &survey, label, options.force)?;
    let survey = ballast::with_release(volume, || repair::repair(volume, &survey, observer))?;
    check_again(volume, &survey, label, observer)?;
    observer.phase(format!("taking {label} out of the boot menu"));
    if let Some(default) = &survey.default {
        menu::write(volume, &survey, default, Some(label), observer)?;
    }
    observer.phase(format!("deleting {label}"));
    let deleted = deletion::delete(volume, label)?;
    if !btrfs::wait_until_freed(volume.top(), &deleted, PATIENCE)? {
        observer.note(format!(
            "{label} is removed; its space will be free when nothing has its files open any more"
        ));
    }
    history::add(volume, Deed::Removed, label, More::default(), observer);
    // The version is gone, so the removal has not failed.
    if let Err(error) = reclaim::reclaim(volume, observer) {
        observer.warn(format!(
            "{label} is removed, but not all space that it shared with other versions is free: {error}; the next removal tries again"
        ));
    }
    Ok(())
}

/// Looks what [`remove()`] would do, refuses what that refuses, and names what that names. Changes nothing. Returns the version's data, and how
/// much of it becomes free; `None` if the volume is not btrfs.
pub fn preview(volume: &Volume, options: &Remove, observer: &dyn Observer) -> Result<Option<Share>> {
    let label = &options.label;
    let survey = volume.survey()?;
    removable::check(volume, &survey, label, options.force)?;
    let survey = repair::look(volume, &survey, observer)?;
    check_again(volume, &survey, label, observer)?;
    if let Some(default) = &survey.default {
        let update = menu::plan(volume, &survey, default, Some(label))?;
        menu::name_dropped(update.as_ref(), observer);
    }
    Ok(sizes(volume)?.remove(label))
}

/// Fails if the version is the default of the volume in order. Names the edits of `/etc` that go with it.
fn check_again(
    volume: &Volume,
    survey: &Survey,
    label: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<()> {
    if survey.default.as_ref() == Some(label) {
        return Err(removable::is_default(label));
    }
    if survey.complete.contains(label) {
        etc::name_last(volume, label, &survey.complete, observer)?;
    }
    Ok(())
}
