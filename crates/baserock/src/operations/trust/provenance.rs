//! Where a version comes from, and who vouches for it: `origin.json` and `signed` in its folder.

use delta::hash::Hash;
use system::atomic;
use system::dir::Dir;
use system::error::Result;

use crate::json;
use crate::label::ExistingLabel;
use crate::layout::{ORIGIN, SIGNED};
use crate::origin::Origin;

use super::sign::sign;
use super::statement::Statement;

/// What is known of the source of a version. What is missing is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The repository.
    pub origin: Option<Origin>,
    /// A [statement](super::statement::Statement) with its signatures.
    pub signed: Option<String>,
}

impl Provenance {
    /// The label and the tree whose manifest has this digest, signed by the key, if there is one.
    pub fn signed(label: &ExistingLabel, digest: Hash, key: Option<&str>) -> Result<Self> {
        let signed = key.map(|key| sign(&Statement::of(label, digest).text(), key)).transpose()?;
        Ok(Provenance { signed, origin: None })
    }

    /// Writes it into the folder of the version. What the folder has of it already stays.
    pub fn store(&self, version: &Dir) -> Result<()> {
        if let Some(origin) = &self.origin {
            store(version, ORIGIN, &json::file(origin))?;
        }
        self.signed.as_ref().map_or(Ok(()), |signed| store(version, SIGNED, signed.as_bytes()))
    }
}

fn store(version: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    match version.read_if_exists(name, bytes.len() as u64) {
        Ok(Some(found)) if found == bytes => Ok(()),
        _ => atomic::write(version, name, 0o644, bytes),
    }
}
