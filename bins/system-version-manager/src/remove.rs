//! `remove`: removes a version.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

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
}

impl Remove {
    /// Removes it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let label = self.label.clone();
        operations::remove(
            volume,
            &operations::Remove { label, force: self.force },
            &Show::new(Output::Errors),
        )?;
        Ok(())
    }
}
