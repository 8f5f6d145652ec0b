//! `remove`: removes a version.

use anyhow::{Result, anyhow};
use baserock::Label;
use baserock::operations;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Remove a version and free its space
///
/// The running version and the default version are not removed, nor a version that a process has mounted.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The version
    #[arg(value_name = "LABEL")]
    label: String,
    /// Remove it even if it is factory
    #[arg(long)]
    force: bool,
}

impl Remove {
    /// Removes it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let label =
            Label::existing(self.label.as_ref()).ok_or_else(|| anyhow!("invalid label {:?}", self.label))?;
        operations::remove(
            volume,
            &operations::Remove { label, force: self.force },
            &Show::new(Output::Errors),
        )?;
        Ok(())
    }
}
