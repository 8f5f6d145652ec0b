//! `remove`: removes a version.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::{self, remove};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};
use system::observer::Observer;

use crate::words::mebibytes;

/// Remove a version and free its space
///
/// The running version, the default and pinned versions are not removed, nor a version that is on trial or that a process has mounted.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
    /// Remove it even if it is factory
    #[arg(long)]
    force: bool,
    /// Print the label if it would be removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Remove {
    /// Removes it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        operations::remove(volume, &self.options(), &Show::new(Output::Errors))?;
        Ok(())
    }

    /// Says what would be done.
    pub fn look(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        if let Some(share) = remove::preview(volume, &self.options(), show)? {
            let (free, all) = (mebibytes(Some(share.exclusive)), mebibytes(Some(share.stored)));
            show.note(format!("{free} of the {all} of {} would become free", self.label));
        }
        print(&format!("{}\n", self.label))
    }

    fn options(&self) -> operations::Remove {
        operations::Remove { label: self.label.clone(), force: self.force }
    }
}
