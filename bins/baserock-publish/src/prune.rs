//! `prune`: removes old versions.

use std::path::PathBuf;

use anyhow::Result;
use baserock_terminal::{Output, Show};
use repository::publish::{Folder, prune};
use system::observer::Observer;

use crate::Signing;

/// Remove all but the newest versions, and those that a channel offers
///
/// The index does not name them any more from now on. Their files are removed by a later prune, when the last index that named them has
/// expired: who has it may be fetching them.
#[derive(Debug, clap::Args)]
pub struct Prune {
    /// The folder of the repository
    #[arg(value_name = "REPO")]
    repository: PathBuf,
    /// How many of the newest versions stay
    #[arg(long, value_name = "N")]
    keep: usize,
    #[command(flatten)]
    signing: Signing,
}

impl Prune {
    /// Removes them.
    pub fn run(&self) -> Result<()> {
        let mut folder = Folder::open(&self.repository)?;
        let show: &dyn Observer = &Show::new(Output::Errors);
        for label in prune::forget(&mut folder, self.keep) {
            show.note(format!("{label} is not offered any more"));
        }
        // The files are marked by the time at which the index of before expires.
        let until = folder.index.expires;
        self.signing.publish(&mut folder)?;
        let removed = prune::remove_unused(&folder, until)?;
        if removed > 0 {
            show.note(format!("{removed} files removed"));
        }
        Ok(())
    }
}
