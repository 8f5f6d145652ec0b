//! Which index counts.

use baserock_signatures::Keyring;

/// Which index counts.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The keys; `None` if an index without signatures counts too.
    pub keyring: Option<Keyring>,
    /// The number of the rotation that brought them; 0 if none did.
    pub rotation: u64,
    /// How many of them have to sign.
    pub threshold: usize,
    /// Whether an index counts that has expired.
    pub allow_expired: bool,
}
