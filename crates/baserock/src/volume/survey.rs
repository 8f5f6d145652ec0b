//! The facts about a volume's versions, read once.

use system::error::{Error, Result};

use super::{Version, Volume, version};
use crate::boot::{Menu, extlinux};
use crate::label::ExistingLabel;
use crate::layout;
use crate::refusal::Refusal;

/// The versions of a volume, and its default. An operation reads this once, under the volume's lock, and passes it on.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The complete versions, sorted by label.
    pub complete: Vec<ExistingLabel>,
    /// The default: that of the menu, or that of the link if there is no menu. `None` if it names no version.
    pub default: Option<ExistingLabel>,
    /// The boot menu.
    pub menu: Option<Menu>,
    /// The running version, if this is the volume of the running system.
    pub running: Option<ExistingLabel>,
}

impl Survey {
    /// Reads the survey.
    pub(super) fn new(volume: &Volume) -> Result<Self> {
        let menu = volume.boot().menu()?;
        let linked = volume.linked_default()?;
        let default = match &menu {
            Some(menu) => extlinux::default_version(menu, linked.as_ref()),
            None => linked,
        };
        let versions = version::all(volume, default.as_ref())?.into_iter();
        let complete = versions.filter(Version::is_complete).map(|version| version.label).collect();
        Ok(Survey { complete, default, menu, running: volume.running().cloned() })
    }

    /// Fails unless the version is complete. The error names the complete versions.
    pub fn require(&self, volume: &Volume, label: &ExistingLabel) -> Result<()> {
        if self.complete.contains(label) {
            return Ok(());
        }
        let (label, complete) = (label.clone(), self.complete.clone());
        Err(if volume.top().has(layout::version(&label))? {
            Refusal::NotComplete { label, complete }.into()
        } else {
            Refusal::Missing { label, complete }.into()
        })
    }

    /// The version that a new one follows, and from which its `/etc` is merged: the running one, else the default.
    pub fn followed(&self) -> Option<&ExistingLabel> {
        self.running.as_ref().or(self.default.as_ref())
    }

    /// The survey with this version too, if it is complete now.
    pub fn with(&self, volume: &Volume, label: &ExistingLabel) -> Result<Self> {
        if let Some(missing) = version::missing(volume, label, &volume.version_dir(label)?)? {
            return Err(Error::refused(format!("version {label} is not complete: {missing}")));
        }
        let mut survey = self.clone();
        survey.complete.push(label.clone());
        survey.complete.sort();
        Ok(survey)
    }
}
