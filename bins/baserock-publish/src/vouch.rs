//! `vouch`: signs a tree that is not published.

use std::path::PathBuf;

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::manifest;
use baserock::operations::trust::{Provenance, require_key};
use baserock_terminal::{Output, Show, print};
use system::dir::Dir;

/// Sign that a tree is a version, without publishing it
///
/// For a tree that somebody puts on a volume by hand, where the system requires signatures: what is printed goes into the file signed beside
/// its orig, before system-version-manager deploy. Every name, owner, time and content of the tree counts.
#[derive(Debug, clap::Args)]
pub struct Vouch {
    /// The root filesystem
    #[arg(value_name = "TREE")]
    tree: PathBuf,
    /// The label of the version
    #[arg(long)]
    label: ExistingLabel,
    /// The key: a private key of ssh, or a public one whose private key ssh-agent or a security key has
    #[arg(long)]
    key: String,
}

impl Vouch {
    /// Signs it.
    pub fn run(&self) -> Result<()> {
        let tree = Dir::open(&self.tree)?;
        require_key(&self.key)?;
        let digest = manifest::read(&tree, &Show::new(Output::Errors))?.digest();
        let provenance = Provenance::signed(&self.label, digest, Some(&self.key))?;
        print(&provenance.signed.unwrap_or_default())
    }
}
