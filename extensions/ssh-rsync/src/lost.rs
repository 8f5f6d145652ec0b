//! The error of a lost connection.

use std::fmt;

use system::Error;

/// The loss of a connection.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The sign of the loss.
    pub what: String,
    /// The message of ssh about it.
    pub reason: Option<String>,
    /// Whether the target keeps the received contents for the next push.
    pub resumable: bool,
}

impl Lost {
    /// A loss without a known reason.
    pub fn new(what: String) -> Self {
        Lost { what, reason: None, resumable: false }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

impl std::error::Error for Lost {}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Error::Refused(Box::new(lost))
    }
}
