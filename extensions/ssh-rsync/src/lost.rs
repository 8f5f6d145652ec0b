//! A connection that was lost.

use std::fmt;

use system::Error;

/// How the connection was lost.
#[derive(Clone, Debug)]
pub struct Lost {
    /// What was noticed.
    pub what: String,
    /// What ssh says about it.
    pub reason: Option<String>,
    /// Whether the target keeps what it has received until the next push.
    pub resumable: bool,
}

impl Lost {
    /// A loss of which no more is known yet.
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
