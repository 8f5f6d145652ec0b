//! `set-default`, `get-default`, `get-running`.

use anyhow::{Result, anyhow};
use baserock::ExistingLabel;
use baserock::operations;
use baserock::operations::etc::{EtcMerge, MergedAgain};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};
use system::observer::Observer;

/// Make a version the default, which boots next
///
/// If /etc of the running version was changed after the version was deployed, it is merged again.
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
        if let MergedAgain::BothChanged { old } = operations::set_default(volume, &options, show)? {
            let new = &options.label;
            show.note(format!("baserock-system-config-sync merge {old} {new} --again merges /etc of both"));
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
