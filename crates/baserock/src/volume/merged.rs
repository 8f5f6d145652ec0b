//! The merges of `/etc` between the versions of a volume, as their records tell.

use std::collections::BTreeSet;

use system::btrfs;
use system::dir::MOST_TEXT;
use system::error::Result;
use system::superblock::Uuid;

use super::Volume;
use crate::etc::left::by_people;
use crate::etc::{EtcPath, Record};
use crate::label::ExistingLabel;
use crate::layout::{MERGE_RECORD, ORIG, RUN};
use crate::rootfs::etc::merge::read_etc;

/// Changes of a version's `/etc` after it was merged into another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateChanges {
    /// The version that was changed.
    pub old: ExistingLabel,
    /// The changed paths, as far as they are known, without those that only programs write.
    pub paths: Vec<EtcPath>,
}

impl Volume {
    /// The record of the last merge into a version.
    pub fn merge_record(&self, label: &ExistingLabel) -> Result<Option<Record>> {
        let version = self.version_dir(label)?;
        let Some(json) = version.read_if_exists(MERGE_RECORD, MOST_TEXT)? else { return Ok(None) };
        Record::parse(&json, &version.shown(MERGE_RECORD)).map(Some)
    }

    /// The UUID of a version's `run`, by which it is the same version and not another of this label. `None` if it is no subvolume.
    pub fn run_id(&self, label: &ExistingLabel) -> Result<Option<String>> {
        let run = self.version_dir(label)?.dir(RUN)?;
        Ok(if btrfs::is_subvolume(&run)? {
            Some(Uuid(btrfs::identity(&run)?.uuid).to_string())
        } else {
            None
        })
    }

    /// Whether the last merge into `new` was from the very version that is `old` now.
    ///
    /// A record of an older program has only the label. Then `new` must at least be younger: nobody merged from a version before it was made.
    pub fn is_merged_from(&self, new: &ExistingLabel, record: &Record, old: &ExistingLabel) -> Result<bool> {
        if record.old != old.as_str() {
            return Ok(false);
        }
        if record.old_run.is_some() {
            return Ok(record.old_run == self.run_id(old)?);
        }
        let made = |label| -> Result<Option<u64>> {
            let run = self.version_dir(label)?.dir(RUN)?;
            Ok(if btrfs::is_subvolume(&run)? { Some(btrfs::origin(&run)?.1) } else { None })
        };
        Ok(made(old)?.zip(made(new)?).is_some_and(|(old, new)| old < new))
    }

    /// What was changed in the version from which this one was merged, after the merge; `None` if nothing was, or if that version is gone, or
    /// if another one is running.
    pub fn late_changes(&self, new: &ExistingLabel) -> Result<Option<LateChanges>> {
        let Some(record) = self.merge_record(new)? else { return Ok(None) };
        let Some(old) = ExistingLabel::of_file(record.old.as_ref()) else { return Ok(None) };
        let is_other = self.running().is_some_and(|running| *running != old);
        if is_other || !self.survey()?.complete.contains(&old) || !self.is_merged_from(new, &record, &old)? {
            return Ok(None);
        }
        let version = self.version_dir(&old)?;
        let now = read_etc(&version.dir(RUN)?)?;
        if !record.user_changed(&now) {
            return Ok(None);
        }
        let paths = match (&record.user_changes, version.dir_if_exists(ORIG)?) {
            (Some(changes), Some(orig)) => changes.since(&read_etc(&orig)?, &now),
            _ => BTreeSet::new(),
        };
        Ok(Some(LateChanges { old, paths: by_people(paths).into_iter().collect() }))
    }
}
