//! Removes a version: first from the menu, then its data.

use std::time::Duration;

use system::btrfs;
use system::error::Result;
use system::inode;
use system::observer::Observer;
use system::remove;

use super::{ballast, boot_files, etc, full, incoming, menu, reclaim, removable, repair};
use crate::label::ExistingLabel;
use crate::layout::{BOOT_RECORD, ORIG, RUN, SYSTEMS};
use crate::volume::Volume;

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
    if survey.default.as_ref() == Some(label) {
        return Err(removable::is_default(label));
    }
    if survey.complete.contains(label) {
        etc::name_last(volume, label, &survey.complete, observer)?;
    }
    observer.phase(format!("taking {label} out of the boot menu"));
    if let Some(default) = &survey.default {
        menu::write(volume, &survey, default, Some(label), observer)?;
    }
    observer.phase(format!("deleting {label}"));
    let version = volume.version_dir(label)?;
    let mut deleted = Vec::new();
    // Without its `run` the version is not complete. From here on it does not come back after a crash.
    deleted.extend(remove::tree(&version, RUN)?);
    boot_files::uninstall(volume, label)?;
    // A damaged version can have something else in its place.
    if version.stat_of(ORIG)?.is_some_and(|stat| inode::is_directory(&stat)) {
        incoming::discard_made_from(volume, &version.dir(ORIG)?, &mut deleted)?;
    }
    // The record goes last: a version that has it and no `run` is half removed.
    for entry in version.entries()?.iter().filter(|entry| entry.name != BOOT_RECORD) {
        deleted.extend(remove::tree(&version, &entry.name)?);
    }
    deleted.extend(remove::tree(&version, BOOT_RECORD)?);
    drop(version);
    volume.top().dir(SYSTEMS)?.remove_dir(label)?;
    if !btrfs::wait_until_freed(volume.top(), &deleted, PATIENCE)? {
        observer.note(format!(
            "{label} is removed; its space will be free when nothing has its files open any more"
        ));
    }
    // The version is gone, so the removal has not failed.
    if let Err(error) = reclaim::reclaim(volume, observer) {
        observer.warn(format!(
            "{label} is removed, but not all space that it shared with other versions is free: {error}; the next removal tries again"
        ));
    }
    Ok(())
}
