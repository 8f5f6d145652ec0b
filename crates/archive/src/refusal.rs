//! Why an archive is refused that nothing is wrong with.

use std::path::PathBuf;

use system::Error;

/// A refusal that the caller may lift.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More than was allowed.
    #[error("{}: unpacks to more than {most} bytes, the most that is allowed; refused", archive.display())]
    TooLarge {
        /// The archive.
        archive: PathBuf,
        /// What was allowed, in bytes.
        most: u64,
    },
    /// So much more than itself that it looks like an attack, and nobody said how much is allowed.
    #[error("{}: unpacks to {given} bytes or more, over {growth} times its own size; refused", archive.display())]
    Suspicious {
        /// The archive.
        archive: PathBuf,
        /// What it came to so far, in bytes.
        given: u64,
        /// How many times its own size is too much.
        growth: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
