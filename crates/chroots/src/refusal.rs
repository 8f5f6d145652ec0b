//! Why something is refused that the user asked of a store.

use std::path::PathBuf;

use baserock::Label;
use system::Error;

/// A refusal about which the user can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody says where the store is, and this user has no home directory that it could be in.
    #[error("the store of chroots has no place: you have no home directory")]
    NoHome,
    /// There is no such chroot.
    #[error("there is no chroot {label} in {store}")]
    NoChroot {
        /// Its label.
        label: Label,
        /// The store.
        store: String,
    },
    /// The label is taken.
    #[error("there is a chroot {label} already")]
    Exists {
        /// The label.
        label: Label,
    },
    /// The default is to be removed while there are others.
    #[error("{label} is the default")]
    Default {
        /// Its label.
        label: Label,
    },
    /// What is to be shown inside is not said as it has to be.
    #[error("use SRC, SRC:DST, SRC:ro or SRC:DST:ro, with DST an absolute path")]
    Bind,
    /// The folder that is to be copied into the store has the store in it.
    #[error("the store {store} is inside {}", folder.display())]
    StoreInside {
        /// The store.
        store: String,
        /// The folder.
        folder: PathBuf,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
