//! Chooses the version that boots next.

use system::btrfs;
use system::error::Result;
use system::observer::Observer;

use super::etc::{self, EtcMerge, MergedAgain};
use super::{full, menu, repair};
use crate::label::ExistingLabel;
use crate::volume::{Kind, Volume};

/// The options of the choice.
#[derive(Clone, Debug)]
pub struct SetDefault {
    /// The version.
    pub label: ExistingLabel,
    /// The options for merging `/etc` again if that is needed; `None` leaves it as it is.
    pub etc: Option<EtcMerge>,
}

/// Makes the version the default. `/etc` is merged again if the administrator has changed it since the version was deployed.
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
    let old = survey.running.clone().or_else(|| survey.default.clone());
    let merged = match (&options.etc, old) {
        (Some(how), Some(old)) if old != options.label => {
            etc::merge_again(volume, &survey, &old, &options.label, how, observer)?
        }
        _ => MergedAgain::NotNeeded,
    };
    if matches!(merged, MergedAgain::Merged(_)) && volume.boot().kind() != Kind::Volume {
        // The menu is on another filesystem. The version must be on the disk before the menu names it.
        btrfs::commit(volume.top())?;
    }
    observer.phase(format!("making {} the default", options.label));
    menu::write(volume, &survey, &options.label, None, observer)?;
    Ok(merged)
}
