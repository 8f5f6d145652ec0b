//! Tells whether a version can be removed. This comes before any change, so that a version that cannot be removed completely stays complete.

use std::path::Path;

use system::btrfs;
use system::error::{Error, Result};
use system::{atomic, remove, swap};

use super::{marker, trial};
use crate::label::ExistingLabel;
use crate::layout::{self, BOOT_RECORD, INCOMPLETE, ORIG, RUN};
use crate::refusal::Refusal;
use crate::volume::{Subvolume, Survey, Volume};

/// Fails if the version cannot be removed, or if something would go with it that is not a part of it. `force` allows even `factory`.
pub fn check(volume: &Volume, survey: &Survey, label: &ExistingLabel, force: bool) -> Result<()> {
    if !volume.top().has(layout::version(label))? {
        return survey.require(volume, label);
    }
    if survey.running.as_ref() == Some(label) {
        return Err(Refusal::Running { label: label.clone() }.into());
    }
    if survey.default.as_ref() == Some(label) {
        return Err(is_default(label));
    }
    trial::record::refuse_on_trial(volume, label)?;
    if *label == ExistingLabel::factory() && !force {
        return Err(Refusal::AlwaysBoots { label: label.clone() }.into());
    }
    if volume.remarks(label)?.pinned {
        return Err(Refusal::Pinned { label: label.clone() }.into());
    }
    remove::refuse_mounts(&volume.version_dir(label)?, Path::new(""))?;
    volume.refuse_any_use(label)?;
    check_subvolumes(volume, label)
}

/// Whether a removal of the version was begun and not ended. A tree that somebody has put there to be deployed has no record yet.
pub fn is_half_removed(volume: &Volume, label: &ExistingLabel) -> Result<bool> {
    let version = volume.version_dir(label)?;
    let is_begun = version.has(RUN)? || version.has(INCOMPLETE)?;
    Ok(!is_begun && (version.has(BOOT_RECORD)? || version.entries()?.is_empty()))
}

/// The error that the version is the default.
pub fn is_default(label: &ExistingLabel) -> Error {
    Refusal::Default { label: label.clone() }.into()
}

/// The versions that can be removed to make room, without the one that is being made.
pub fn labels(volume: &Volume, making: Option<&ExistingLabel>) -> Result<Vec<ExistingLabel>> {
    let survey = volume.survey()?;
    let labels = volume.versions()?.into_iter().map(|version| version.label);
    Ok(labels.filter(|label| Some(label) != making && check(volume, &survey, label, false).is_ok()).collect())
}

fn check_subvolumes(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    let subvolumes = volume.subvolumes(label)?;
    if subvolumes.is_empty() {
        return Ok(());
    }
    let default = btrfs::default_subvolume(volume.top())?;
    for subvolume in &subvolumes {
        let dir = &subvolume.dir;
        if Some(btrfs::identity(dir)?.id) == default {
            return Err(Refusal::DefaultSubvolume { label: label.clone(), path: dir.shown("") }.into());
        }
        if let Some(file) = swap::file_in(dir)? {
            return Err(Error::SwappedTo { tree: dir.shown(""), file: Some(file) });
        }
    }
    // Of several, the outermost is named. It comes after those inside it.
    for subvolume in subvolumes.iter().rev().filter(|subvolume| !is_part(subvolume)) {
        if !subvolume.dir.entries()?.is_empty() {
            return Err(Error::refused(format!(
                "version {label} is not removed: {} is a subvolume that somebody has made in it, and it is not empty; \
                 move it away or delete it first",
                subvolume.dir.shown("").display()
            )));
        }
    }
    Ok(())
}

/// Whether the subvolume was built, or made by a deployment. What is inside `orig` belongs to the tree that somebody has put there. `run` is
/// a snapshot, so what is inside it was made later.
fn is_part(subvolume: &Subvolume) -> bool {
    let part = subvolume.part.as_str();
    let own = [ORIG, RUN, marker::FROZEN];
    let is_temporary = || own.iter().any(|name| atomic::temporary_name(name) == part);
    (own.contains(&part) || is_temporary()) && !(subvolume.is_nested && part == RUN)
}
