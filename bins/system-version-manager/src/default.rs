//! `set-default`, `get-default`, `get-running`.

use anyhow::{Result, anyhow};
use baserock::Label;
use baserock::operations::{self, etc::EtcMerge};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};

/// Make a version the default, which boots next
///
/// If /etc of the running version was changed after the version was deployed, it is merged again.
#[derive(Debug, clap::Args)]
pub struct SetDefault {
    /// The version
    #[arg(value_name = "LABEL")]
    label: String,
    /// Leave the version's /etc as it is
    #[arg(long)]
    no_merge: bool,
}

/// Print the version that boots next
#[derive(Debug, clap::Args)]
pub struct GetDefault {}

/// Print the version that is running
#[derive(Debug, clap::Args)]
pub struct GetRunning {}

impl SetDefault {
    /// Switches the default.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let label =
            Label::existing(self.label.as_ref()).ok_or_else(|| anyhow!("invalid label {:?}", self.label))?;
        let etc = (!self.no_merge).then(EtcMerge::default);
        operations::set_default(volume, &operations::SetDefault { label, etc }, &Show::new(Output::Errors))?;
        Ok(())
    }
}

impl GetDefault {
    /// Prints it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let none =
            || anyhow!("no version is the default; choose one with system-version-manager set-default LABEL");
        print(&format!("{}\n", volume.default()?.ok_or_else(none)?))
    }
}

impl GetRunning {
    /// Prints it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let none = || anyhow!("no version of {} is running", volume.name().display());
        print(&format!("{}\n", volume.running().ok_or_else(none)?))
    }
}
