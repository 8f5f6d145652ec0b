//! Refusals of fetched files.

use system::Error;

/// A refusal because of a checksum.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The list of sums beside the archive does not have the sum of the archive.
    #[error("{list}: has no SHA-256 sum of {name}")]
    NotInList {
        /// The list.
        list: String,
        /// The archive's name.
        name: String,
    },
    /// The list of sums beside the archive has more than one sum of the archive.
    #[error("{list}: has different SHA-256 sums of {name}")]
    Ambiguous {
        /// The list.
        list: String,
        /// The archive's name.
        name: String,
    },
    /// The archive has another sum.
    #[error("{name} is not what was expected: its SHA-256 sum is {found}, not {expected}")]
    Mismatch {
        /// The archive.
        name: String,
        /// Its sum.
        found: String,
        /// The expected sum.
        expected: String,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
