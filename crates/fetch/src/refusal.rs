//! Why what was fetched is not used.

use system::Error;

/// A refusal over a checksum.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The list of sums that is beside the archive does not have the archive's.
    #[error("{list}: has no SHA-256 sum of {name}")]
    NotInList {
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
        /// The sum that it has.
        found: String,
        /// The sum that it should have.
        expected: String,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
