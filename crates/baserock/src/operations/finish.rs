//! Brings late changes of `/etc` into the version that boots next.

use system::btrfs;
use system::error::Result;
use system::observer::Observer;

use super::etc::{self, EtcMerge, MergedAgain};
use super::history::{self, More};
use super::{full, renaming, sweep};
use crate::boot::trial::State;
use crate::history::Deed;
use crate::label::ExistingLabel;
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// Merges `/etc` again into the default if that was merged from the version that is being left, and `/etc` of that has changed since. The
/// version that is left is the running one. If none is running, it is the one from which the default was merged.
///
/// When this returns, the default has the changes, on the disk, or there were none. After a failure or a power cut its `/etc` is as it was,
/// and this can be done again.
pub fn finish(volume: &Volume, observer: &dyn Observer) -> Result<MergedAgain> {
    full::explain(volume, None, attempt(volume, observer))
}

fn attempt(volume: &Volume, observer: &dyn Observer) -> Result<MergedAgain> {
    renaming::settle(volume, observer)?;
    let survey = volume.survey()?;
    if let Some((_, State::Running)) = volume.trial()? {
        // What is edited during a trial stays in it until it is confirmed.
        return Ok(MergedAgain::NotNeeded);
    }
    let Some(new) = volume.next()?.filter(|new| survey.complete.contains(new)) else {
        return Ok(MergedAgain::NotNeeded);
    };
    let Some(old) = left(volume, &survey, &new)?.filter(|old| *old != new) else {
        return Ok(MergedAgain::NotNeeded);
    };
    // An interrupted merge must be settled first, because the record tells what was merged.
    sweep::sweep(volume, &survey.complete)?;
    match etc::merge_again(volume, &survey, &old, &new, &EtcMerge::default(), observer)? {
        MergedAgain::BothChanged { old, paths } => Err(Refusal::EtcOfBothEdited { old, new, paths }.into()),
        MergedAgain::NotNeeded => {
            etc::name_missing(volume, &old, (&new).into(), observer)?;
            Ok(MergedAgain::NotNeeded)
        }
        merged @ MergedAgain::Merged(_) => {
            btrfs::commit(volume.top())?;
            let more = More { from: Some(&old), words: "at the end of its time" };
            history::add(volume, Deed::Merged, &new, more, observer);
            Ok(merged)
        }
    }
}

/// The version that is left for the default.
fn left(volume: &Volume, survey: &Survey, new: &ExistingLabel) -> Result<Option<ExistingLabel>> {
    if survey.running.is_some() {
        return Ok(survey.running.clone());
    }
    let Some(record) = volume.merge_record(new)? else { return Ok(None) };
    let old = survey.complete.iter().find(|label| label.as_str() == record.old);
    Ok(match old {
        Some(old) if volume.is_merged_from(new, &record, old)? => Some(old.clone()),
        _ => None,
    })
}
