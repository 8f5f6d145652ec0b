//! SHA-256 of contents.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use system::error::{Error, OrCannot, Result};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Hash(Sha256::digest(bytes).into())
    }

    /// The hash of a file, which must have exactly `size` bytes.
    pub fn of_file(
        file: &File,
        size: u64,
        shown: &Path,
        buffer: &mut [u8],
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let mut hasher = Hasher::default();
        let mut position = 0;
        loop {
            go_on()?;
            let count = file.read_at(buffer, position).or_cannot("read", shown)?;
            if count == 0 {
                break;
            }
            hasher.add(&buffer[..count]);
            position += count as u64;
        }
        if position == size { Ok(hasher.finish()) } else { Err(changed(shown)) }
    }

    /// Parses 64 lower-case hexadecimal digits, the form in which a hash is displayed.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: &u8| (*byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let digits: Vec<u32> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Vec<u8> =
            pairs.iter().filter_map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect();
        bytes.try_into().ok().map(Hash)
    }

    /// The hash of the key and this hash, as [`Hash::short`] gives it. Only who has the content, or guesses it, recognises it.
    pub fn keyed(&self, key: &[u8; 32]) -> u64 {
        let mut hasher = Hasher::default();
        hasher.add(key);
        hasher.add(&self.0);
        hasher.finish().short()
    }

    /// The first eight bytes as a number. They are enough to tell the contents of one tree apart.
    pub fn short(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes a hash of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// The next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// The error for a file that changes while it is read.
pub(crate) fn changed(path: &Path) -> Error {
    Error::refused(format!(
        "{} changed while it was being read; try again when nothing writes to it",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_shown() {
        let hash = Hash::of(b"content");
        let text = hash.to_string();
        assert_eq!(Hash::parse(&text), Some(hash));
        for wrong in [
            "",
            "ab",
            &text[1..],
            &format!("{text}00"),
            &text.replacen(|c: char| c.is_ascii_lowercase(), "G", 1),
        ] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
