//! `rotate`: new keys for the machines that fetch.

use std::path::PathBuf;

use anyhow::Result;
use baserock::operations::trust::require_key;
use repository::publish::Folder;

use crate::Signing;

/// Give the machines that fetch other keys to trust
///
/// They take the new keys because the old ones have signed them. Who has not fetched for long takes one rotation after the other, so none is ever
/// removed. The index is signed by the new keys from now on; let it be signed by the old ones too (repeat --key) if machines do not know of rotations.
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// The folder of the repository
    #[arg(value_name = "REPO")]
    repository: PathBuf,
    /// The new keys, as machines have them in /etc/baserock/allowed_signers
    #[arg(value_name = "ALLOWED_SIGNERS")]
    keys: PathBuf,
    /// A key that machines trust until now, which signs the new ones (repeatable)
    #[arg(long, value_name = "KEY", required = true)]
    old_key: Vec<String>,
    #[command(flatten)]
    signing: Signing,
}

impl Rotate {
    /// Writes the new keys, and an index that names them.
    pub fn run(&self) -> Result<()> {
        self.old_key.iter().try_for_each(|key| require_key(key))?;
        self.signing.require_keys()?;
        let mut folder = Folder::open(&self.repository)?;
        folder.rotate(&self.keys, &self.old_key)?;
        self.signing.publish(&mut folder)
    }
}
