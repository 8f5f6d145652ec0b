//! `set-default`, `get-default`, `get-running`.

use anyhow::{Result, anyhow};
use baserock::ExistingLabel;
use baserock::operations;
use baserock::operations::etc::{EtcMerge, MergedAgain};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};
use system::observer::Observer;

use crate::remedies;

/// Make a version the default, which boots next
///
/// If /etc of the running version was changed after it was merged into this one, it is merged again. Edits that stay behind are named.
#[derive(Debug, clap::Args)]
pub struct SetDefault {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
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
        let label = self.label.clone();
        let etc = (!self.no_merge).then(EtcMerge::default);
        let show: &dyn Observer = &Show::new(Output::Errors);
        let options = operations::SetDefault { label, etc };
        if let MergedAgain::BothChanged { old, .. } = operations::set_default(volume, &options, show)? {
            show.note(remedies::merge_again(&old, &options.label));
        }
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
