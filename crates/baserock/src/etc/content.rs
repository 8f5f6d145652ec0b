//! What a regular file holds: small ones in memory, large ones as size and SHA-256, read again on demand.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use system::dir::Dir;
use system::error::{OrCannot, Result};

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
    root: Arc<Dir>,
    path: PathBuf,
    size: u64,
    sum: Sum,
}

impl Content {
    /// Reads the regular file `path` below `root`, which has about `size` bytes.
    pub fn read(root: &Arc<Dir>, path: &Path, file: &File, size: u64) -> Result<Self> {
        let shown = root.shown(path);
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            (&mut &*file).read_to_end(&mut bytes).or_cannot("read", shown)?;
            return Ok(bytes.into());
        }
        let (size, sum) = hash(file, &shown)?;
        Ok(Content::Disk(Arc::new(Stored { root: root.clone(), path: path.to_owned(), size, sum })))
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
            Content::Disk(stored) => Ok(stored.root.read(&stored.path)?.into()),
        }
    }

    /// A large file, opened, to clone it instead of reading it; `None` for one in memory.
    pub fn open(&self) -> Result<Option<File>> {
        match self {
            Content::Memory(_) => Ok(None),
            Content::Disk(stored) => stored.root.file(&stored.path).map(Some),
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
        let bytes = vec![7; 200_000];
        std::fs::write(folder.path().join("large"), &bytes).unwrap();
        let root = Arc::new(Dir::open(folder.path()).unwrap());
        let file = root.file("large").unwrap();
        let stored = Content::read(&root, "large".as_ref(), &file, 200_000).unwrap();
        assert!(stored.open().unwrap().is_some());
        assert_eq!(stored, Content::from(bytes.clone()));
        assert_ne!(stored, Content::from(vec![8; 200_000]));
        assert_eq!(&stored.bytes().unwrap()[..], &bytes[..]);
    }
}
