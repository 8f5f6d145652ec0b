//! Which index counts.

use baserock::operations::trust::AllowedSigners;
use baserock_signatures::{SignedText, Signer};
use system::error::Result;

/// Which index counts.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The keys; `None` if an index without signatures counts too.
    pub keys: Option<AllowedSigners>,
    /// How many of them have to sign.
    pub threshold: usize,
    /// Whether an index counts that has expired.
    pub allow_expired: bool,
}

impl Trust {
    /// Fails unless enough of the keys have signed. Returns those that have; none if no signature is needed.
    pub fn verify(&self, signed: &SignedText<'_>, shown: &str) -> Result<Vec<Signer>> {
        let Some(keys) = &self.keys else { return Ok(Vec::new()) };
        signed.verify(&keys.keyring()?, self.threshold, shown)
    }
}
