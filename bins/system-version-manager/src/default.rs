//! `set-default`, `get-default`, `get-running`.

use anyhow::{Result, anyhow};
use baserock::ExistingLabel;
use baserock::operations::etc::{self, EtcMerge, MergedAgain};
use baserock::operations::{self, set_default};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print, steps};
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
    /// Print what would be done to /etc, one line for each path, and change nothing
    #[arg(long)]
    pub dry_run: bool,
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
        let show: &dyn Observer = &Show::new(Output::Errors);
        let options = self.options();
        self.advise(&operations::set_default(volume, &options, show)?, show);
        Ok(())
    }

    /// Says what would be done.
    pub fn look(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let merged = set_default::preview(volume, &self.options(), show)?;
        self.advise(&merged, show);
        match merged {
            MergedAgain::Merged(merged) => print(&steps(etc::steps(Some(&merged)))),
            MergedAgain::NotNeeded | MergedAgain::BothChanged { .. } => Ok(()),
        }
    }

    fn options(&self) -> operations::SetDefault {
        let merge = (!self.no_merge).then(EtcMerge::default);
        operations::SetDefault { label: self.label.clone(), etc: merge }
    }

    fn advise(&self, merged: &MergedAgain, show: &dyn Observer) {
        if let MergedAgain::BothChanged { old, .. } = merged {
            show.note(remedies::merge_again(old, &self.label));
        }
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
