//! Refusals of what a user asks of a store.

use std::ffi::OsString;
use std::path::PathBuf;

use baserock::ExistingLabel;
use system::Error;

/// A refusal about which the user can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No store was named, and this user has no home directory for one.
    #[error("the store of chroots has no place: you have no home directory")]
    NoHome,
    /// There is no such chroot.
    #[error("there is no chroot {label} in {store}")]
    NoChroot {
        /// Its label.
        label: ExistingLabel,
        /// The store.
        store: String,
    },
    /// A link stands in the place of a chroot's folder or tree. It may lead anywhere.
    #[error("{} is a link, and what it leads to is no chroot; remove the link", path.display())]
    Link {
        /// The path of the link.
        path: PathBuf,
    },
    /// The label is taken.
    #[error("there is a chroot {label} already")]
    Exists {
        /// The label.
        label: ExistingLabel,
    },
    /// The default was to be removed while there are other chroots.
    #[error("{label} is the default")]
    Default {
        /// Its label.
        label: ExistingLabel,
    },
    /// The system is not at the top of the archive.
    #[error("{from}: the system is in the folder {} of it", folder.display())]
    InFolder {
        /// The archive or directory.
        from: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The account cannot pass the top folder of the tree.
    #[error("the top folder of the chroot has mode {mode:o}, so {} can reach nothing in it", user.display())]
    NoWay {
        /// The account.
        user: OsString,
        /// The mode of the folder.
        mode: u32,
    },
    /// The tree has no shell.
    #[error("there is no {} in it", shell.display())]
    NoShell {
        /// The shell's path.
        shell: PathBuf,
    },
    /// What is to appear as a device is none.
    #[error("{} is no device below /dev", path.display())]
    NoDevice {
        /// Its path.
        path: PathBuf,
    },
    /// The text of a bind does not have the right form.
    #[error("use SRC, SRC:DST, SRC:ro or SRC:DST:ro, with DST an absolute path")]
    Bind,
    /// A signature was to be checked, and there is none.
    #[error("there is no signature of {source_name}: {looked}")]
    NoSignature {
        /// The archive.
        source_name: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A directory has no signature.
    #[error("{} is a directory, which has no signature", folder.display())]
    SignedFolder {
        /// The directory.
        folder: PathBuf,
    },
    /// The folder that was to be copied into the store contains the store.
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
