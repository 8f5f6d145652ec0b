//! Refusals of keyrings, of signatures, and of what they are to cover.

use system::Error;

use crate::signer::Signer;

/// A refusal because of a signature or of a keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The keyring has no key.
    #[error("{keyring}: has no public key")]
    NoKey {
        /// The keyring.
        keyring: String,
    },
    /// A line of the keyring is not understood.
    #[error("{keyring}: line {line} {reason}")]
    Line {
        /// The keyring.
        keyring: String,
        /// The number of the line.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The keyring has a secret key.
    #[error("{keyring}: has a secret key, not a public one")]
    Secret {
        /// The keyring.
        keyring: String,
    },
    /// The file belongs to OpenPGP.
    #[error("{file}: is of OpenPGP, whose signatures are not verified here")]
    OpenPgp {
        /// The keyring or the signature.
        file: String,
    },
    /// The file has no signature.
    #[error("{file}: is not signed")]
    Unsigned {
        /// The file.
        file: String,
    },
    /// Not enough of the trusted keys have signed.
    #[error("{file}: is signed by {found} of the trusted keys, and {needed} have to sign")]
    TooFewSigners {
        /// The file.
        file: String,
        /// The number of keys that have signed.
        found: usize,
        /// The number of keys that have to.
        needed: usize,
    },
    /// No keys are trusted.
    #[error("no keys are trusted: there is neither {file} nor a file in {folder}")]
    NoKeys {
        /// The file of keys.
        file: String,
        /// The folder of such files.
        folder: String,
    },
    /// The file is no signature.
    #[error("{file}: is no signature of minisign or ssh")]
    NoSignature {
        /// The signature.
        file: String,
    },
    /// The signature was made with another key.
    #[error("{file}: was made with the {key}, which is not in {keyring}")]
    OtherKey {
        /// The signature.
        file: String,
        /// Its key.
        key: Signer,
        /// The keyring.
        keyring: String,
    },
    /// The keyring does not allow this use of the key.
    #[error("{file}: was made with the {key}, {reason}")]
    NotAllowed {
        /// The signature.
        file: String,
        /// Its key.
        key: Signer,
        /// Why it does not count.
        reason: String,
    },
    /// The signature is for another purpose.
    #[error("{file}: is a signature for the namespace {found:?}, not {expected:?}")]
    Namespace {
        /// The signature.
        file: String,
        /// Its namespace.
        found: String,
        /// The namespace of what it should cover.
        expected: String,
    },
    /// The kind of key or signature is not verified here.
    #[error("{file}: {what}, which is not verified here")]
    Unsupported {
        /// The signature.
        file: String,
        /// What it is made with.
        what: String,
    },
    /// The signature does not cover these bytes.
    #[error(
        "{file} is not the signature of {name}: one of them was changed, or the signature is that of another file"
    )]
    Altered {
        /// The signature.
        file: String,
        /// What it should cover.
        name: String,
    },
    /// The signature covers the bytes themselves, and there are more than can be kept in memory.
    #[error("{file}: covers {name} without a hash, and {name} has more than {most} MiB")]
    WithoutHash {
        /// The signature.
        file: String,
        /// What it covers.
        name: String,
        /// The limit in MiB.
        most: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
