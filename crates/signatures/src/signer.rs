//! Whose key made a signature.

use std::fmt;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use ring::digest::{SHA256, digest};

/// The key that made a signature, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A key of minisign.
    Minisign {
        /// The number of the key, which minisign writes without leading zeros.
        number: u64,
        /// The trusted comment, which the signature covers; empty where none is known.
        comment: String,
    },
    /// A key of ssh.
    Ssh {
        /// The hash of the key, as ssh shows it.
        fingerprint: String,
        /// For whom the keyring has the key; empty where it does not say.
        principals: String,
    },
}

impl Signer {
    /// A key of ssh, which the keyring has for these principals.
    pub(crate) fn ssh(key: &[u8], principals: &str) -> Self {
        let hash = BASE64_STANDARD_NO_PAD.encode(digest(&SHA256, key));
        Signer::Ssh { fingerprint: format!("SHA256:{hash}"), principals: principals.to_owned() }
    }
}

/// `minisign key 6F2B… (COMMENT)` or `ssh key SHA256:… (PRINCIPALS)`.
impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = match self {
            Signer::Minisign { number, comment } => {
                write!(f, "minisign key {number:X}")?;
                comment
            }
            Signer::Ssh { fingerprint, principals } => {
                write!(f, "ssh key {fingerprint}")?;
                principals
            }
        };
        if more.is_empty() { Ok(()) } else { write!(f, " ({more})") }
    }
}

#[cfg(test)]
mod tests {
    use super::Signer;

    #[test]
    fn a_key_has_the_number_that_minisign_shows() {
        let signer = Signer::Minisign { number: 0x093F_44B2_019C_A7A3, comment: String::new() };
        assert_eq!(signer.to_string(), "minisign key 93F44B2019CA7A3");
    }
}
