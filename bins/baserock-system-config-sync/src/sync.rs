//! `sync`: one version's /etc for all.

use anyhow::Result;
use baserock::operations::etc;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Copy /etc of a version over that of every other version but the running one
///
/// Each is replaced in one step; what was there is kept as systems/LABEL/etc.before-sync.
#[derive(Debug, clap::Args)]
pub struct Sync {
    /// The version whose /etc all others get
    canonical: String,
}

impl Sync {
    /// Copies.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        etc::sync(volume, &super::existing(&self.canonical)?, &Show::new(Output::Errors))?;
        Ok(())
    }
}
