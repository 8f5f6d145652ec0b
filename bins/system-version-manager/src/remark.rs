//! `pin`, `unpin`, `note`.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::remark;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Pin a version: neither remove nor prune removes it
#[derive(Debug, clap::Args)]
pub struct Pin {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
}

/// Unpin a version, so that it can be removed again
#[derive(Debug, clap::Args)]
pub struct Unpin {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
}

/// Write a note beside a version, in the place of the one before
///
/// A deployment writes the note that the variable VERSION_NOTE has.
#[derive(Debug, clap::Args)]
pub struct Note {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
    /// The note, one line; an empty one removes the note
    #[arg(value_name = "TEXT")]
    text: String,
}

impl Pin {
    /// Pins it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        Ok(remark::pin(volume, &self.label, true, &Show::new(Output::Errors))?)
    }
}

impl Unpin {
    /// Unpins it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        Ok(remark::pin(volume, &self.label, false, &Show::new(Output::Errors))?)
    }
}

impl Note {
    /// Writes it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        Ok(remark::note(volume, &self.label, &self.text, &Show::new(Output::Errors))?)
    }
}
