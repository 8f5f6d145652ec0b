//! The main job, shown.

use anyhow::Result;

/// Show it
#[derive(clap::Args)]
pub struct Demo {}

impl Demo {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        Ok(())
    }
}
