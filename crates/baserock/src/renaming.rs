//! `renaming.json`: a version that is getting another label.

use std::path::Path;

use serde::{Deserialize, Serialize};
use system::error::{Error, Result};

use crate::json::{self, Format};
use crate::label::ExistingLabel;

/// A rename that was begun. It exists from before the first change until after the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renaming {
    /// The label that the version had.
    pub old: ExistingLabel,
    /// The label that it gets.
    pub new: ExistingLabel,
}

impl Format for Renaming {}

impl Renaming {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| Error::malformed(shown, fault.in_a("a record of a rename")))
    }
}
