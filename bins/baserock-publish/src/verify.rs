//! `verify`: holds every file of a repository against its index.

use std::path::PathBuf;

use anyhow::Result;
use baserock_terminal::{Output, Show, print};
use repository::publish::verify;

/// Read every file, and hold it against the index
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The folder of the repository
    #[arg(value_name = "REPO")]
    repository: PathBuf,
    /// A file of allowed signers: the index has to be signed by one of them
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
}

impl Verify {
    /// Verifies it.
    pub fn run(&self) -> Result<()> {
        let show = Show::new(Output::Errors);
        let found = verify::verify(&self.repository, self.signers.as_deref(), &show)?;
        for signer in &found.signers {
            print(&format!("signed by {signer}\n"))?;
        }
        print(&format!("{} files are as the index says\n", found.files))
    }
}
