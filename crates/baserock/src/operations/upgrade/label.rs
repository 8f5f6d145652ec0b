//! Checks whether the volume can get the version.

use delta::hash::Hash;
use system::btrfs;
use system::error::{Error, Result};

use crate::label::ExistingLabel;
use crate::layout::{self, INCOMPLETE, ORIG, RUN};
use crate::operations::{loader_limits, manifest};
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// The state of the label of a new version on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// There is nothing.
    Nothing,
    /// An upgrade has put another tree there, or one that is not known yet, and has not deployed it.
    Begun,
    /// An upgrade has put the same tree there, and has not deployed it.
    SameTree,
    /// The same tree is there, and it is deployed.
    Deployed,
}

impl Present {
    /// Whether the tree is there, so that it does not have to be put together.
    pub fn has_tree(self) -> bool {
        matches!(self, Present::SameTree | Present::Deployed)
    }
}

/// Fails if the volume cannot get the version. `digest` is the digest of the new tree's manifest, if it is known. Changes nothing.
pub fn check(volume: &Volume, label: &ExistingLabel, digest: Option<Hash>) -> Result<Present> {
    btrfs::require(volume.top())?;
    let survey = volume.survey()?;
    let present = present(volume, &survey, label, digest)?;
    if let Some(limit) = loader_limits::exceeded(volume)?.into_iter().next() {
        return Err(Error::refused(limit));
    }
    basis(volume, &survey)?;
    Ok(present)
}

fn present(volume: &Volume, survey: &Survey, label: &ExistingLabel, digest: Option<Hash>) -> Result<Present> {
    let Some(version) = volume.top().dir_if_exists(layout::version(label))? else {
        return Ok(Present::Nothing);
    };
    let orig = version.dir_if_exists(ORIG)?;
    let made = orig.map(|orig| manifest::load(&version, &orig)).transpose()?.flatten();
    let is_same = digest.is_some_and(|digest| made.as_ref().is_some_and(|made| made.digest() == digest));
    let name = volume.name().to_owned();
    match (survey.complete.contains(label), made) {
        (true, _) if is_same => Ok(Present::Deployed),
        (true, _) => Err(Refusal::Exists { label: label.clone(), volume: name }.into()),
        // Only a deployment that has not ended may be begun anew. Another version has its user's files.
        (false, Some(_)) if version.has(RUN)? && !version.has(INCOMPLETE)? => Err(broken(volume, label)?),
        (false, Some(_)) => Ok(if is_same { Present::SameTree } else { Present::Begun }),
        (false, None) => Err(Refusal::Foreign { label: label.clone(), volume: name }.into()),
    }
}

/// The error for a version that was complete and is not any more.
fn broken(volume: &Volume, label: &ExistingLabel) -> Result<Error> {
    let version = volume.versions()?.into_iter().find(|version| version.label == *label);
    let missing = version.and_then(|version| version.missing).unwrap_or_else(|| "it is damaged".into());
    Ok(Error::refused(format!(
        "version {label} was deployed and cannot be used: {missing}; it stays as it is"
    )))
}

/// Whether a version was chosen before: it is the default, runs, is on trial, has come up, or came back. An upgrade that nobody watches leaves
/// it as it is, because a person or a trial has decided about it.
pub fn was_chosen(volume: &Volume, label: &ExistingLabel) -> Result<bool> {
    let survey = volume.survey()?;
    let is_next = [&survey.default, &survey.running].into_iter().flatten().any(|chosen| chosen == label);
    let is_on_trial = volume.trial()?.is_some_and(|(trial, _)| trial.label == *label);
    Ok(survey.complete.contains(label) && (is_next || is_on_trial || volume.is_good(label)?.is_some()))
}

/// The version to start from: the default, or the running one if the default is not complete.
pub fn basis(volume: &Volume, survey: &Survey) -> Result<ExistingLabel> {
    let mut candidates = survey.default.iter().chain(&survey.running);
    candidates.find(|label| survey.complete.contains(label)).cloned().ok_or_else(|| {
        Error::refused(format!("{} has no complete default version to start from", volume.name().display()))
    })
}
