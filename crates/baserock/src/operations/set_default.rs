//! Chooses the version that boots next.

use system::btrfs;
use system::error::Result;
use system::observer::Observer;

use super::etc::{self, EtcMerge, MergedAgain, Receiver};
use super::history::{self, More};
use super::{full, menu, repair, trial};
use crate::boot::trial::Outcome;
use crate::history::Deed;
use crate::label::ExistingLabel;
use crate::refusal::Refusal;
use crate::volume::{Kind, Survey, Volume};

/// The options of the choice.
#[derive(Clone, Debug)]
pub struct SetDefault {
    /// The version.
    pub label: ExistingLabel,
    /// The options for merging `/etc` again if that is needed; `None` leaves it as it is.
    pub etc: Option<EtcMerge>,
}

/// Makes the version the default. `/etc` is merged again if the administrator has changed it since the version was deployed. Edits that stay
/// behind in the version that is left are named.
///
/// When this returns, the next boot is that version. Until the switch it is the old one. There is nothing in between.
pub fn set_default(volume: &Volume, options: &SetDefault, observer: &dyn Observer) -> Result<MergedAgain> {
    full::explain(volume, None, attempt(volume, options, observer))
}

/// Looks what [`set_default()`] would do, refuses what that refuses before it changes anything, and names what that names. Changes nothing.
pub fn preview(volume: &Volume, options: &SetDefault, observer: &dyn Observer) -> Result<MergedAgain> {
    let (survey, merged) = prepare(volume, options, Mode::Look, observer)?;
    let update = menu::plan(volume, &survey, &options.label, None)?;
    menu::name_dropped(update.as_ref(), observer);
    Ok(merged)
}

fn attempt(volume: &Volume, options: &SetDefault, observer: &dyn Observer) -> Result<MergedAgain> {
    let (survey, merged) = prepare(volume, options, Mode::Change, observer)?;
    if matches!(merged, MergedAgain::Merged(_)) && volume.boot().kind() != Kind::Volume {
        // The menu is on another filesystem. The version must be on the disk before the menu names it.
        btrfs::commit(volume.top())?;
    }
    observer.phase(format!("making {} the default", options.label));
    menu::write(volume, &survey, &options.label, None, observer)?;
    if survey.default.as_ref() != Some(&options.label) {
        history::add(volume, Deed::DefaultSet, &options.label, More::default(), observer);
    }
    Ok(merged)
}

/// Whether anything is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Change,
    Look,
}

/// Everything up to the switch, done or only looked at.
fn prepare(
    volume: &Volume,
    options: &SetDefault,
    mode: Mode,
    observer: &dyn Observer,
) -> Result<(Survey, MergedAgain)> {
    let SetDefault { label, etc } = options;
    let survey = volume.survey()?;
    survey.require(volume, label)?;
    menu::require(volume, &survey, label)?;
    let survey = match mode {
        Mode::Change => repair::repair(volume, &survey, observer)?,
        Mode::Look => repair::look(volume, &survey, observer)?,
    };
    match mode {
        Mode::Change => trial::record::call_off(volume, Some(label), observer)?,
        Mode::Look => trial::record::look(volume, Some(label), observer)?,
    }
    if let Some(Outcome { confirmed: false, why, .. }) = trial::record::outcome(volume, label, observer)? {
        observer.warn(format!("{label} came back from its last trial: {why}"));
    }
    let dry_run = mode == Mode::Look;
    let etc = etc.clone().map(|how| EtcMerge { dry_run, ..how });
    let merged = merge_late(volume, &survey, &SetDefault { label: label.clone(), etc }, observer)?;
    Ok((survey, merged))
}

/// Merges `/etc` again if that is needed, and names the edits that stay behind in the version that is left.
pub(super) fn merge_late(
    volume: &Volume,
    survey: &Survey,
    options: &SetDefault,
    observer: &dyn Observer,
) -> Result<MergedAgain> {
    let old = survey.followed().cloned();
    let merged = match (&options.etc, &old) {
        (Some(how), Some(old)) if *old != options.label => {
            etc::merge_again(volume, survey, old, &options.label, how, observer)?
        }
        _ => MergedAgain::NotNeeded,
    };
    if let MergedAgain::BothChanged { old, paths } = &merged {
        let (old, new, paths) = (old.clone(), options.label.clone(), paths.clone());
        observer.warn(Refusal::EtcOfBothEdited { old, new, paths }.to_string());
    }
    let planned = match &merged {
        MergedAgain::Merged(merged) => merged.planned.as_ref(),
        MergedAgain::NotNeeded | MergedAgain::BothChanged { .. } => None,
    };
    let is_named =
        |from: &ExistingLabel| matches!(&merged, MergedAgain::BothChanged { old, .. } if old == from);
    let left = old.iter().chain(survey.default.iter().filter(|default| old.as_ref() != Some(default)));
    for from in left.filter(|from| **from != options.label && !is_named(from)) {
        etc::name_missing(volume, from, Receiver { label: &options.label, planned }, observer)?;
    }
    Ok(merged)
}
