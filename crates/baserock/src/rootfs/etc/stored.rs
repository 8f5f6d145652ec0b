//! Large files of an `/etc`. They stay on the disk.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use system::dir::Dir;
use system::error::{OrCannot, Result};

use crate::etc::content::{Content, Large, SMALL, Stored, Sum};

/// A large file below an opened directory.
#[derive(Debug)]
struct LargeFile {
    root: Arc<Dir>,
    path: PathBuf,
    /// Its size in bytes.
    size: u64,
}

impl Stored for LargeFile {
    fn bytes(&self) -> Result<Vec<u8>> {
        self.root.read(&self.path, self.size)
    }

    fn open(&self) -> Result<OwnedFd> {
        self.root.file(&self.path).map(OwnedFd::from)
    }
}

/// Reads the regular file `path` below `root`, which has about `size` bytes. Nobody may write to a large file while the value lives.
pub fn read(root: &Arc<Dir>, path: &Path, file: &File, size: u64) -> Result<Content> {
    let shown = root.shown(path);
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(SMALL).read_to_end(&mut bytes).or_cannot("read", shown)?;
        return Ok(bytes.into());
    }
    let (size, sum) = hash(file, &shown)?;
    let file = Box::new(LargeFile { root: root.clone(), path: path.to_owned(), size });
    Ok(Content::Disk(Arc::new(Large { size, sum, file })))
}

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
        let stored = read(&root, "large".as_ref(), &file, 200_000).unwrap();
        assert!(stored.large().is_some());
        assert_eq!(stored, Content::from(bytes.clone()));
        assert_ne!(stored, Content::from(vec![8; 200_000]));
        assert_eq!(&stored.bytes().unwrap()[..], &bytes[..]);
    }
}
