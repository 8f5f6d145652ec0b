//! Refusals of undamaged archives.

use std::path::PathBuf;

use system::Error;

/// A refusal that the caller may lift.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The archive unpacks to more than the allowed size.
    #[error("{}: unpacks to more than {most} bytes, the most that is allowed; refused", archive.display())]
    TooLarge {
        /// The archive.
        archive: PathBuf,
        /// The allowed size, in bytes.
        most: u64,
    },
    /// The archive unpacks to so many times its own size that it looks like an attack, and no size was allowed explicitly.
    #[error("{}: unpacks to {given} bytes or more, over {growth} times its own size; refused", archive.display())]
    Suspicious {
        /// The archive.
        archive: PathBuf,
        /// The size of the unpacked content so far, in bytes.
        given: u64,
        /// The limit, as a multiple of its own size.
        growth: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
