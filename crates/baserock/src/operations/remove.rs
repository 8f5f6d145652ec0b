//! Removes a version: first from the menu, then its data.

use std::path::Path;
use std::time::Duration;

use system::btrfs;
use system::error::{Error, Result};
use system::observer::Observer;
use system::remove;

use super::{ballast, boot_files, full, incoming, menu, repair};
use crate::label::ExistingLabel;
use crate::layout::{self, ORIG, RUN, SYSTEMS};
use crate::refusal::Refusal;
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
/// A version that is running, the default, or in use is refused. Once the menu has stopped naming the version, its data is deleted even if a
/// signal comes. After a crash the next removal finishes the work.
pub fn remove(volume: &Volume, options: &Remove, observer: &dyn Observer) -> Result<()> {
    full::explain(volume, attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Remove, observer: &dyn Observer) -> Result<()> {
    let label = &options.label;
    let survey = volume.survey()?;
    check(volume, &survey, options)?;
    let survey = ballast::with_release(volume, || repair::repair(volume, &survey, observer))?;
    if survey.default.as_ref() == Some(label) {
        return Err(is_default(label));
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
    if let Some(orig) = version.dir_if_exists(ORIG)? {
        incoming::discard_made_from(volume, &orig, &mut deleted)?;
    }
    for entry in version.entries()? {
        deleted.extend(remove::tree(&version, &entry.name)?);
    }
    drop(version);
    volume.top().dir(SYSTEMS)?.remove_dir(label)?;
    if !btrfs::wait_until_freed(volume.top(), &deleted, PATIENCE)? {
        observer.note(format!(
            "{label} is removed; its space will be free when nothing has its files open any more"
        ));
    }
    Ok(())
}

fn check(volume: &Volume, survey: &Survey, options: &Remove) -> Result<()> {
    let label = &options.label;
    if !volume.top().has(layout::version(label))? {
        return survey.require(volume, label);
    }
    if survey.running.as_ref() == Some(label) {
        return Err(Refusal::Running { label: label.clone() }.into());
    }
    if survey.default.as_ref() == Some(label) {
        return Err(is_default(label));
    }
    if *label == ExistingLabel::factory() && !options.force {
        return Err(Refusal::AlwaysBoots { label: label.clone() }.into());
    }
    volume.refuse_live(label)?;
    // This check comes before the menu is changed, so that a version that cannot be removed completely stays complete.
    remove::refuse_mounts(&volume.version_dir(label)?, Path::new(""))
}

fn is_default(label: &ExistingLabel) -> Error {
    Refusal::Default { label: label.clone() }.into()
}
