//! Chooses the version that boots next.

use system::btrfs;
use system::error::Result;
use system::observer::Observer;

use super::etc::{self, EtcMerge, MergedAgain};
use super::{full, menu, repair, trial};
use crate::boot::trial::Outcome;
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

fn attempt(volume: &Volume, options: &SetDefault, observer: &dyn Observer) -> Result<MergedAgain> {
    let survey = volume.survey()?;
    survey.require(volume, &options.label)?;
    menu::require(volume, &survey, &options.label)?;
    let survey = repair::repair(volume, &survey, observer)?;
    trial::record::call_off(volume, Some(&options.label), observer)?;
    if let Some(Outcome { confirmed: false, why, .. }) =
        trial::record::outcome(volume, &options.label, observer)?
    {
        observer.warn(format!("{} came back from its last trial: {why}", options.label));
    }
    let merged = merge_late(volume, &survey, options, observer)?;
    if matches!(merged, MergedAgain::Merged(_)) && volume.boot().kind() != Kind::Volume {
        // The menu is on another filesystem. The version must be on the disk before the menu names it.
        btrfs::commit(volume.top())?;
    }
    observer.phase(format!("making {} the default", options.label));
    menu::write(volume, &survey, &options.label, None, observer)?;
    Ok(merged)
}

/// Merges `/etc` again if that is needed, and names the edits that stay behind in the version that is left.
pub(super) fn merge_late(
    volume: &Volume,
    survey: &Survey,
    options: &SetDefault,
    observer: &dyn Observer,
) -> Result<MergedAgain> {
    let old = survey.running.clone().or_else(|| survey.default.clone());
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
    let is_named =
        |from: &ExistingLabel| matches!(&merged, MergedAgain::BothChanged { old, .. } if old == from);
    let left = old.iter().chain(survey.default.iter().filter(|default| old.as_ref() != Some(default)));
    for from in left.filter(|from| **from != options.label && !is_named(from)) {
        etc::name_missing(volume, from, &options.label, observer)?;
    }
    Ok(merged)
}
