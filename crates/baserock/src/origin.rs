//! `origin.json`: the repository that a version was fetched from.

use std::path::Path;

use serde::{Deserialize, Serialize};
use system::error::{Error, Result};

use crate::json::{self, Format};

/// Where a version comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of the repository.
    pub repository: String,
    /// The serial of its index.
    pub serial: u64,
    /// Its URL or path.
    pub source: String,
    /// The keys that had signed the index when it was fetched, in words; empty if nobody had.
    pub signed_by: Vec<String>,
}

impl Format for Origin {}

impl Origin {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| Error::malformed(shown, fault.in_a("the origin of a version")))
    }
}
