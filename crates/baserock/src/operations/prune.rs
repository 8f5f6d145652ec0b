//! Removes old versions, except those that must stay.

use std::cmp::Reverse;
use std::time::SystemTime;

use system::btrfs;
use system::error::Result;
use system::observer::Observer;
use system::signal;

use super::{Remove, removable, remove};
use crate::label::ExistingLabel;
use crate::volume::Volume;

/// The versions that are old. If both are given, a version is old only if both say so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prune {
    /// As many of the newest complete versions are not old.
    pub keep: Option<usize>,
    /// A version is old only if it was deployed before this moment.
    pub before: Option<SystemTime>,
}

/// What is done about the old versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Those that are removed: half removed ones, and then the oldest first.
    pub removed: Vec<ExistingLabel>,
    /// Those that must stay, each with the reason.
    pub stay: Vec<(ExistingLabel, String)>,
}

impl Pruned {
    /// Names the versions that must stay.
    pub fn name_stay(&self, observer: &dyn Observer) {
        for (_, reason) in &self.stay {
            observer.note(format!("{reason}, so it stays"));
        }
    }
}

/// Removes the old versions that need not stay. What stays is named.
///
/// Each removal is one of its own ([`remove()`]): after a failure the versions before it are gone, and the others are whole.
pub fn prune(volume: &Volume, options: &Prune, observer: &dyn Observer) -> Result<Pruned> {
    let pruned = plan(volume, options)?;
    pruned.name_stay(observer);
    for label in &pruned.removed {
        signal::check()?;
        remove(volume, &Remove { label: label.clone(), force: false }, observer)?;
    }
    Ok(pruned)
}

/// What [`prune()`] would do. Changes nothing. A version of which a removal was begun is removed too.
pub fn plan(volume: &Volume, options: &Prune) -> Result<Pruned> {
    btrfs::require(volume.top())?;
    let survey = volume.survey()?;
    let mut pruned = Pruned::default();
    let (mut half_removed, mut versions) = (Vec::new(), Vec::new());
    for version in volume.versions()?.into_iter().filter(|version| !version.is_complete()) {
        if removable::is_half_removed(volume, &version.label)? {
            half_removed.push(version.label);
        }
    }
    for label in &survey.complete {
        match volume.deployed(label)? {
            Some((transaction, time)) => versions.push((transaction, time, label.clone())),
            None => {
                pruned
                    .stay
                    .push((label.clone(), format!("nobody can tell when version {label} was deployed")));
            }
        }
    }
    versions.sort_by_key(|(transaction, ..)| Reverse(*transaction));
    let last_good = volume.last_good()?;
    for (_, time, label) in versions.into_iter().skip(options.keep.unwrap_or(0)) {
        if options.before.is_some_and(|before| time >= before) {
            continue;
        }
        if last_good.as_ref() == Some(&label) {
            let reason = format!("version {label} is the last one that is known to be good");
            pruned.stay.push((label, reason));
        } else if let Err(error) = removable::check(volume, &survey, &label, false) {
            pruned.stay.push((label, error.to_string()));
        } else {
            pruned.removed.insert(0, label);
        }
    }
    pruned.removed.splice(0..0, half_removed);
    Ok(pruned)
}
