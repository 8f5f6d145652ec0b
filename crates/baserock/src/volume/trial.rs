//! The trial of a version, and how the last one ended.

use std::fs;
use std::path::Path;

use system::dir::MOST_TEXT;
use system::error::{Error, OrCannot, Result};

use super::Volume;
use crate::boot::trial::{Facts, Known, Outcome, State, Trial};
use crate::label::ExistingLabel;
use crate::layout::{self, PRIVATE, TRIAL};

/// Where the kernel names the current boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Volume {
    /// The trial of which there is a record, and how far it is. A record that cannot be read is none ([`Volume::trial_fault`]): it must not stop
    /// other operations.
    pub fn trial(&self) -> Result<Option<(Trial, State)>> {
        let Some(Ok(trial)) = self.trial_record()? else { return Ok(None) };
        let default = self.default()?;
        let facts = Facts {
            running: self.running(),
            default: default.as_ref(),
            boot: &self.boot_id()?,
            pending: self.one_shot()?.pending().is_some(),
        };
        let state = trial.state(&facts);
        Ok(Some((trial, state)))
    }

    /// Why the record of the trial cannot be read; `None` if it can be, or if there is none.
    pub fn trial_fault(&self) -> Result<Option<Error>> {
        Ok(self.trial_record()?.and_then(Result::err))
    }

    fn trial_record(&self) -> Result<Option<Result<Trial>>> {
        let path = Path::new(PRIVATE).join(TRIAL);
        let bytes = self.top().read_if_exists(&path, MOST_TEXT)?;
        Ok(bytes.map(|bytes| Trial::parse(&bytes, &self.top().shown(&path))))
    }

    /// The version that boots next if the boot loader does what it is told: the one that is on trial, or the default.
    pub fn next(&self) -> Result<Option<ExistingLabel>> {
        match self.trial()? {
            Some((trial, State::Armed)) => Ok(Some(trial.label)),
            _ => self.default(),
        }
    }

    /// What is known of the trial of a version: how it stands, or how the last one ended; `None` if there was none.
    pub fn trial_of(&self, label: &ExistingLabel) -> Result<Option<Known>> {
        // How a trial stands depends on boot loaders, which are not asked for every version.
        if let Some(Ok(Trial { label: on_trial, .. })) = self.trial_record()?
            && on_trial == *label
            && let Some((trial, state)) = self.trial()?
        {
            return Ok(Some(Known::Recorded(trial, state)));
        }
        Ok(self.trial_outcome(label)?.map(Known::Ended))
    }

    /// How the last trial of the version ended; `None` if there was none.
    pub fn trial_outcome(&self, label: &ExistingLabel) -> Result<Option<Outcome>> {
        let path = layout::in_version(label, TRIAL);
        let bytes = self.top().read_if_exists(&path, MOST_TEXT)?;
        bytes.map(|bytes| Outcome::parse(&bytes, &self.top().shown(&path))).transpose()
    }

    /// The current boot, as the kernel names it; empty if the volume is not that of the running system.
    pub fn boot_id(&self) -> Result<String> {
        if self.running().is_none() {
            return Ok(String::new());
        }
        Ok(fs::read_to_string(BOOT_ID).or_cannot("read", BOOT_ID)?.trim().to_owned())
    }
}
