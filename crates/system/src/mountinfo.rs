//! Parses `/proc/PID/mountinfo`, the list of mounts.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One line of mountinfo (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number, as `statx` tells it.
    pub id: u64,
    /// The number of the mount that this one is mounted on.
    pub parent: u64,
    /// `MAJOR:MINOR` of the filesystem. For btrfs this number belongs to the filesystem as a whole, not to a device.
    pub device: String,
    /// The mounted directory of the filesystem: `/systems/factory/run`.
    pub root: PathBuf,
    /// The mount point.
    pub target: PathBuf,
    /// `btrfs`, `ext4`, …
    pub kind: String,
    /// The source that was given to `mount`, usually a device.
    pub source: PathBuf,
}

/// Parses a whole mountinfo. Malformed lines are left out.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|&byte| byte == b'\n').filter_map(parse_line).collect()
}

/// The visible mount at `/`: the last one there.
pub fn root(mounts: &[Mount]) -> Option<&Mount> {
    at(mounts, Path::new("/"))
}

/// The visible mount at this very path, which is the last one there. `None` if the path is not a mount point.
pub fn at<'m>(mounts: &'m [Mount], target: &Path) -> Option<&'m Mount> {
    mounts.iter().rev().find(|mount| mount.target == target)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    // A single hyphen ends the optional fields.
    let separator = fields.iter().position(|&field| field == b"-")?;
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    Some(Mount {
        id: text(fields.first()?).parse().ok()?,
        parent: text(fields.get(1)?).parse().ok()?,
        device: text(fields.get(2)?),
        root: unescape(fields.get(3)?),
        target: unescape(fields.get(4)?),
        kind: text(fields.get(separator + 1)?),
        source: unescape(fields.get(separator + 2)?),
    })
}

/// Undoes the kernel's escapes: a backslash and three octal digits.
pub fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3)).flatten().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &[u8] = b"\
22 1 0:21 / /proc rw,relatime - proc proc rw
1 1 0:2 / / rw - rootfs rootfs rw
30 1 0:31 /systems/factory/run / rw,noatime shared:1 - btrfs /dev/vda rw,space_cache=v2,subvolid=258,subvol=/systems/factory/run
31 30 0:31 /state/var /var rw,noatime shared:2 master:3 - btrfs /dev/vda rw
32 30 8:1 / /mnt/with\\040space rw - ext4 /dev/sdb1 rw
broken line
";

    #[test]
    fn the_last_mount_at_a_place_is_the_one_that_is_seen() {
        let mounts = parse(RUNNING);
        assert_eq!(mounts.len(), 5);
        assert_eq!(root(&mounts).unwrap().root, Path::new("/systems/factory/run"));
        assert_eq!((mounts[3].id, mounts[3].parent), (31, 30));
        assert_eq!(root(&mounts).unwrap().source, Path::new("/dev/vda"));
        assert_eq!(at(&mounts, Path::new("/var")).unwrap().root, Path::new("/state/var"));
        assert!(at(&mounts, Path::new("/mnt/with space")).is_some());
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape(b"a\\040b\\011\\134c"), PathBuf::from("a b\t\\c"));
        assert_eq!(unescape(b"a\\04"), PathBuf::from("a\\04"));
    }
}
