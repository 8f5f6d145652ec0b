//! Swap files in use. The kernel neither snapshots nor deletes a subvolume with one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::dir::Dir;
use crate::error::{OrCannot, Result};
use crate::mountinfo::unescape;

/// The kernel's list of what it swaps to.
const LIST: &str = "/proc/swaps";

/// A swap file that is in use in this subvolume, not in one inside it. `None` if there is none, or if its path leads nowhere for this process.
pub fn file_in(subvolume: &Dir) -> Result<Option<PathBuf>> {
    let device = subvolume.stat()?.st_dev;
    // A kernel without swap has no list.
    let list = crate::error::if_exists(fs::read(LIST).or_cannot("read", LIST))?.unwrap_or_default();
    let is_inside = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.dev() == device);
    Ok(parse(&list).into_iter().find(is_inside))
}

/// The paths of the files in the list. Its first line is a heading.
fn parse(list: &[u8]) -> Vec<PathBuf> {
    let lines = list.split(|&byte| byte == b'\n').skip(1);
    let file = |line: &[u8]| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (path, kind) = (words.next()?, words.next()?);
        let deleted = Path::new("\\040(deleted)").as_os_str().as_bytes();
        (kind == b"file").then(|| unescape(path.strip_suffix(deleted).unwrap_or(path)))
    };
    lines.filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_partitions() {
        let list = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/dm-0                               partition\t999420\t\t0\t\t-2\n\
            /swap\\040file                          file    \t20476\t\t0\t\t-3\n";
        assert_eq!(parse(list), [PathBuf::from("/swap file")]);
        assert_eq!(parse(b""), [] as [PathBuf; 0]);
    }
}
