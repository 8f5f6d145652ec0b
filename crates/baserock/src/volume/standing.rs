//! How a version stands: when it was made, whether it has come up, and what people say about it.

use std::time::SystemTime;

use system::btrfs;
use system::dir::MOST_TEXT;
use system::error::Result;

use super::Volume;
use crate::boot::trial::{CameUp, Outcome};
use crate::label::ExistingLabel;
use crate::layout::{self, CAME_UP, ORIGIN, REMARKS, RUN};
use crate::origin::Origin;
use crate::remarks::Remarks;

impl Volume {
    /// What people say about a version.
    pub fn remarks(&self, label: &ExistingLabel) -> Result<Remarks> {
        let path = layout::in_version(label, REMARKS);
        let bytes = self.top().read_if_exists(&path, MOST_TEXT)?;
        let remarks = bytes.map(|bytes| Remarks::parse(&bytes, &self.top().shown(&path))).transpose()?;
        Ok(remarks.unwrap_or_default())
    }

    /// The repository that a version was fetched from; `None` if it was not fetched.
    pub fn origin(&self, label: &ExistingLabel) -> Result<Option<Origin>> {
        let path = layout::in_version(label, ORIGIN);
        let bytes = self.top().read_if_exists(&path, MOST_TEXT)?;
        bytes.map(|bytes| Origin::parse(&bytes, &self.top().shown(&path))).transpose()
    }

    /// When a version was deployed: the transaction, which is higher for one that was deployed later, and the time of the clock. `None` if its
    /// `run` is no subvolume.
    pub fn deployed(&self, label: &ExistingLabel) -> Result<Option<(u64, SystemTime)>> {
        let run = self.version_dir(label)?.dir(RUN)?;
        if btrfs::is_subvolume(&run)? { btrfs::made(&run).map(Some) } else { Ok(None) }
    }

    /// That a version has come up by itself; `None` if that is not known.
    pub fn came_up(&self, label: &ExistingLabel) -> Result<Option<CameUp>> {
        let path = layout::in_version(label, CAME_UP);
        let bytes = self.top().read_if_exists(&path, MOST_TEXT)?;
        bytes.map(|bytes| CameUp::parse(&bytes, &self.top().shown(&path))).transpose()
    }

    /// The running version, if it is not recorded that it has come up.
    pub fn unrecorded(&self) -> Result<Option<&ExistingLabel>> {
        let Some(running) = self.running() else { return Ok(None) };
        Ok((!self.top().has(layout::in_version(running, CAME_UP))?).then_some(running))
    }

    /// Whether a version is known to be good: it has come up, and did not come back from its last trial. `None` if nothing is known.
    pub fn is_good(&self, label: &ExistingLabel) -> Result<Option<bool>> {
        if let Some(Outcome { confirmed, .. }) = self.trial_outcome(label)? {
            return Ok(Some(confirmed));
        }
        Ok(self.came_up(label)?.map(|_| true))
    }

    /// The last known good version beside the running one and the default: the newest of those that are known to be good. A record that cannot
    /// be read tells nothing.
    pub fn last_good(&self) -> Result<Option<ExistingLabel>> {
        let survey = self.survey()?;
        let mut newest = None;
        for label in survey.complete {
            let is_left = survey.running.as_ref() != Some(&label) && survey.default.as_ref() != Some(&label);
            if !is_left || !matches!(self.is_good(&label), Ok(Some(true))) {
                continue;
            }
            if let Some((made, _)) = self.deployed(&label)?
                && newest.as_ref().is_none_or(|(newest, _)| made > *newest)
            {
                newest = Some((made, label));
            }
        }
        Ok(newest.map(|(_, label)| label))
    }
}
