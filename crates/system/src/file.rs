//! Regular files by their paths, for callers that have no open directory above them, and reading them within bounds.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open as open_path};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::error::{Error, OrCannot, Result};

/// Opens the regular file at `path` for reading. Links are followed.
///
/// Anything else is an error and is not opened: opening a device can have effects, and opening a FIFO would wait.
pub fn open(path: &Path) -> Result<File> {
    let found = open_path(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).or_cannot("read", path)?;
    regular(&found, path)
}

/// The whole content of the regular file at `path`. Links are followed. It is an error if it has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    bounded(open(path)?, path, most)
}

/// Like [`read`], but the content has to be text.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::malformed(path, "it is not UTF-8 text"))
}

/// Opens for reading what was found with `O_PATH`, if it is a regular file.
pub(crate) fn regular(found: &OwnedFd, shown: &Path) -> Result<File> {
    refuse_other(found, shown)?;
    let same = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    open_path(same.as_str(), flags, Mode::empty()).map(File::from).or_cannot("open", shown)
}

/// Refuses what is no regular file.
pub(crate) fn refuse_other(found: impl AsFd, shown: &Path) -> Result<()> {
    let stat = fstat(found).or_cannot("examine", shown)?;
    match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
        SFlag::S_IFREG => Ok(()),
        kind => Err(Error::malformed(shown, format!("is {}, not a file", in_words(kind)))),
    }
}

/// What is left of the file. It is an error if that is more than `most` bytes.
pub(crate) fn bounded(file: File, shown: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).or_cannot("read", shown)?;
    if bytes.len() as u64 > most {
        return Err(Error::TooLarge { path: shown.to_owned(), most });
    }
    Ok(bytes)
}

/// A type of file in words, with its article.
fn in_words(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFCHR => "a character device",
        SFlag::S_IFBLK => "a block device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_files_within_bounds_are_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        assert!(matches!(read(&path, 3), Err(Error::TooLarge { most: 3, .. })));
        fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path, 4).is_err());
        let fifo = place.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(read(&fifo, 4).unwrap_err().to_string().contains("is a FIFO, not a file"));
        assert!(read(Path::new("/dev/zero"), 4).unwrap_err().to_string().contains("a character device"));
        assert!(read(&place.path().join("none"), 4).unwrap_err().is_not_found());
    }
}
