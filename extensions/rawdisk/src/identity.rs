//! The numbers that tell one disk from another. They are random, or derived from the input if the same input has to make the same disk.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};
use system::error::{OrCannot, Result};
use system::superblock::Uuid;

/// The source of these numbers.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The kernel's random numbers.
    Random,
    /// A hash of this seed and the purpose.
    Derived([u8; 32]),
}

impl Identity {
    /// Derived from the time of `SOURCE_DATE_EPOCH` and the content of the disk, or random if there is no such time.
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
    fn only_the_same_input_has_the_same_identity() {
        let derived = Identity::new(Some(1), b"tree");
        assert_eq!(derived.uuid("root").unwrap(), Identity::new(Some(1), b"tree").uuid("root").unwrap());
        assert_ne!(derived.uuid("root").unwrap(), derived.uuid("disk").unwrap());
        assert_ne!(derived.uuid("root").unwrap(), Identity::new(Some(1), b"other").uuid("root").unwrap());
        let random = Identity::new(None, b"tree");
        assert_ne!(random.uuid("root").unwrap(), random.uuid("root").unwrap());
        assert_eq!(derived.uuid("root").unwrap().to_string().as_bytes()[14], b'4');
    }
}
