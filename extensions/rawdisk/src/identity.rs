//! The numbers that tell one disk from another: random, or derived from the input where the same input is to make the same disk.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};
use system::error::{OrCannot, Result};
use system::superblock::Uuid;

/// Where identities come from.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The kernel's random numbers.
    Random,
    /// This, and what the identity is for.
    Derived([u8; 32]),
}

impl Identity {
    /// Derived from the time that `SOURCE_DATE_EPOCH` gives and from what is written, or random where it gives none.
    pub fn new(epoch: Option<u64>, content: &[u8]) -> Self {
        match epoch {
            None => Identity::Random,
            Some(epoch) => Identity::Derived(
                Sha256::new().chain_update(epoch.to_le_bytes()).chain_update(content).finalize().into(),
            ),
        }
    }

    /// A UUID for `purpose`; each purpose has its own.
    pub fn uuid(&self, purpose: &str) -> Result<Uuid> {
        let mut bytes = [0; 16];
        match self {
            Identity::Random => {
                let source = "/dev/urandom";
                File::open(source)
                    .and_then(|mut file| file.read_exact(&mut bytes))
                    .or_cannot("read", source)?;
            }
            Identity::Derived(seed) => {
                let digest = Sha256::new().chain_update(seed).chain_update(purpose).finalize();
                bytes.copy_from_slice(&digest[..16]);
            }
        }
        // Version 4, variant 1: made of random bits (RFC 9562).
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Uuid(bytes))
    }

    /// Four bytes for `purpose`.
    pub fn serial(&self, purpose: &str) -> Result<[u8; 4]> {
        let Uuid([a, b, c, d, ..]) = self.uuid(purpose)?;
        Ok([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_input_has_the_same_identity_and_otherwise_none_has() {
        let derived = Identity::new(Some(1), b"tree");
        assert_eq!(derived.uuid("root").unwrap(), Identity::new(Some(1), b"tree").uuid("root").unwrap());
        assert_ne!(derived.uuid("root").unwrap(), derived.uuid("disk").unwrap());
        assert_ne!(derived.uuid("root").unwrap(), Identity::new(Some(1), b"other").uuid("root").unwrap());
        let random = Identity::new(None, b"tree");
        assert_ne!(random.uuid("root").unwrap(), random.uuid("root").unwrap());
        assert_eq!(derived.uuid("root").unwrap().to_string().as_bytes()[14], b'4');
    }
}
