//! Refusals about which somebody can do something.

use baserock::ExistingLabel;
use system::Error;

/// A refusal of a repository, or of what it has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The index is older than one that was seen.
    #[error(
        "{file}: has the serial {found}, and {known} was seen before: it is old, or somebody plays an old one back"
    )]
    Older {
        /// The index.
        file: String,
        /// Its serial.
        found: u64,
        /// The one that was seen.
        known: u64,
    },
    /// There was another repository at this place.
    #[error("{repository}: is another repository than before")]
    Another {
        /// The place.
        repository: String,
    },
    /// The index does not count any more.
    #[error("{file}: has expired: it counts until {expires}, and it is {now}")]
    Expired {
        /// The index.
        file: String,
        /// Until when it counts.
        expires: String,
        /// What the clock says.
        now: String,
    },
    /// The clock is before the making of the index, so nobody knows whether it has expired.
    #[error("{file}: was made at {made}, and the clock says {now}: nobody knows whether it has expired")]
    Clock {
        /// The index.
        file: String,
        /// When it was made.
        made: String,
        /// What the clock says.
        now: String,
    },
    /// A file is not what the index says.
    #[error("{file}: {what} is not what the index says: it is damaged, or somebody has changed it")]
    Altered {
        /// The file.
        file: String,
        /// What of it.
        what: String,
    },
    /// There is no such channel.
    #[error("{repository}: has no channel {channel}{}", list(", only ", known))]
    NoChannel {
        /// The repository.
        repository: String,
        /// The channel.
        channel: String,
        /// The channels that it has.
        known: Vec<String>,
    },
    /// There is no such version.
    #[error("{repository}: has no version {label}{}", list(", only ", known))]
    NoVersion {
        /// The repository.
        repository: String,
        /// The label.
        label: ExistingLabel,
        /// The labels that it has.
        known: Vec<String>,
    },
    /// The repository has another tree of this label.
    #[error("{repository}: has another version {label}")]
    Exists {
        /// The repository.
        repository: String,
        /// The label.
        label: ExistingLabel,
    },
    /// The tree has what makes a machine this machine.
    #[error("the tree has {}: what is published is for many machines", found.join(" and "))]
    OneMachine {
        /// What it has, as paths.
        found: Vec<String>,
    },
    /// The folder is no repository.
    #[error("{folder}: is no repository: it has no index")]
    NoIndex {
        /// The folder.
        folder: String,
    },
    /// The folder is something else.
    #[error("{folder}: is not empty, and no repository")]
    NoRepository {
        /// The folder.
        folder: String,
    },
}

fn list(before: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(", ")) }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
