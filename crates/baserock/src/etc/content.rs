//! The content of regular files. Small files are in memory. Of large files there are size and SHA-256; they are read again when needed.

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use system::error::Result;

/// Files up to this size (in bytes) are held in memory.
pub const SMALL: u64 = 64 * 1024;

/// A SHA-256.
pub type Sum = [u8; 32];

/// The content of a regular file. Equal contents compare equal, in memory or on disk.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes themselves.
    Memory(Arc<[u8]>),
    /// A file on disk. Nobody may write to it while the value lives.
    Disk(Arc<Large>),
}

/// A large file on disk.
#[derive(Debug)]
pub struct Large {
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sum: Sum,
    /// The file itself.
    pub file: Box<dyn Stored>,
}

/// Reads a large file again.
pub trait Stored: Debug + Send + Sync {
    /// All its bytes.
    fn bytes(&self) -> Result<Vec<u8>>;

    /// The open file, so that it can be cloned instead of read.
    fn open(&self) -> Result<OwnedFd>;
}

impl Content {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Disk(large) => large.size,
        }
    }

    /// The SHA-256 of the bytes.
    pub fn sum(&self) -> Sum {
        match self {
            Content::Memory(bytes) => Sha256::digest(bytes).into(),
            Content::Disk(large) => large.sum,
        }
    }

    /// All bytes, from memory or disk.
    pub fn bytes(&self) -> Result<Arc<[u8]>> {
        match self {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::Disk(large) => Ok(large.file.bytes()?.into()),
        }
    }

    /// The large file; `None` if the content is in memory.
    pub fn large(&self) -> Option<&Large> {
        match self {
            Content::Memory(_) => None,
            Content::Disk(large) => Some(large),
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
