//! `sync`: copies /etc of one version to all others.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::etc;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Copy /etc of a version to all other versions except the running one
///
/// Each /etc is replaced in one step. The old one is kept as systems/LABEL/etc.before-sync.
#[derive(Debug, clap::Args)]
pub struct Sync {
    /// The version whose /etc is copied
    canonical: ExistingLabel,
}

impl Sync {
    /// Copies.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        etc::sync(volume, &self.canonical, &Show::new(Output::Errors))?;
        Ok(())
    }
}
