//! What a regular file holds: small ones in memory, large ones as size and SHA-256, read again on demand.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{OrCannot, Result};

/// Files up to this size (in bytes) are held in memory.
pub const SMALL: u64 = 64 * 1024;

/// A SHA-256.
pub type Sum = [u8; 32];

/// What a regular file holds. Equal contents compare equal wherever they are held.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes themselves.
    Memory(Arc<[u8]>),
    /// A file on disk that nobody writes to while the value lives.
    Disk(Arc<Stored>),
}

/// A large file on disk.
#[derive(Debug)]
pub struct Stored {
    file: PathBuf,
    size: u64,
    sum: Sum,
}

impl Content {
    /// Reads an opened file of `size` bytes; `path` is where it can be opened again.
    pub fn read(file: &File, path: &Path, size: u64) -> Result<Self> {
        if size <= SMALL {
            let capacity = usize::try_from(size).unwrap_or(0);
            let mut bytes = Vec::with_capacity(capacity);
            std::io::Read::read_to_end(&mut &*file, &mut bytes).or_cannot("read", path)?;
            return Ok(bytes.into());
        }
        let (size, sum) = hash(file, path)?;
        Ok(Content::Disk(Arc::new(Stored { file: path.to_owned(), size, sum })))
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Disk(stored) => stored.size,
        }
    }

    /// The SHA-256 of the bytes.
    pub fn sum(&self) -> Sum {
        match self {
            Content::Memory(bytes) => Sha256::digest(bytes).into(),
            Content::Disk(stored) => stored.sum,
        }
    }

    /// All bytes, from memory or disk.
    pub fn bytes(&self) -> Result<Arc<[u8]>> {
        match self {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::Disk(stored) => Ok(std::fs::read(&stored.file).or_cannot("read", &stored.file)?.into()),
        }
    }

    /// Where a large file is, to clone it instead of reading it; `None` for one in memory.
    pub fn on_disk(&self) -> Option<&Path> {
        match self {
            Content::Memory(_) => None,
            Content::Disk(stored) => Some(&stored.file),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Memory(bytes.into())
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Content::Memory(bytes.into())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Content::Memory(a), Content::Memory(b)) => a == b,
            _ => self.size() == other.size() && self.sum() == other.sum(),
        }
    }
}

impl Eq for Content {}

fn hash(file: &File, path: &Path) -> Result<(u64, Sum)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let count = file.read_at(&mut buffer, size).or_cannot("read", path)?;
        if count == 0 {
            return Ok((size, hasher.finalize().into()));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_equal_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let bytes = vec![7; 200_000];
        std::fs::write(&path, &bytes).unwrap();
        let stored = Content::read(&File::open(&path).unwrap(), &path, 200_000).unwrap();
        assert!(stored.on_disk().is_some());
        assert_eq!(stored, Content::from(bytes.clone()));
        assert_ne!(stored, Content::from(vec![8; 200_000]));
        assert_eq!(&stored.bytes().unwrap()[..], &bytes[..]);
    }
}
