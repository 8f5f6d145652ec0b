//! `finish`: brings late changes of /etc into the version that boots next.

use anyhow::Result;
use baserock::operations;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Merge late changes of /etc into the version that boots next
///
/// This is for what was changed after set-default. The unit baserock-finish.service does it when the machine goes down. If nothing was
/// changed, or if the version that boots next was not merged from the running one, nothing is done.
#[derive(Debug, clap::Args)]
pub struct Finish {}

impl Finish {
    /// Merges.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        operations::finish(volume, &Show::new(Output::Errors))?;
        Ok(())
    }
}
