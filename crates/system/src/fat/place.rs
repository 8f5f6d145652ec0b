//! Where a file is on a FAT, so that it can be overwritten in its place.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{OrCannot, Result};

/// Bytes of the boot sector that tell the layout.
const HEAD: usize = 64;
/// The number of the first cluster of the data.
const FIRST: u64 = 2;

/// The layout of a FAT, in bytes.
pub(super) struct Layout {
    /// Where the data begin.
    data: u64,
    /// The size of a cluster.
    cluster: u64,
}

impl Layout {
    /// Reads it from the boot sector (FAT specification, 3.1 to 3.3).
    pub(super) fn read(device: &File, shown: &Path) -> Result<Self> {
        let mut head = [0; HEAD];
        device.read_exact_at(&mut head, 0).or_cannot("read", shown)?;
        Ok(Layout::of(&head))
    }

    fn of(head: &[u8; HEAD]) -> Self {
        let two = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let four =
            |at: usize| u64::from(u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
        let (sector, reserved, tables, root) = (two(11), two(14), u64::from(head[16]), two(17));
        let table = if two(22) == 0 { four(36) } else { two(22) };
        // A FAT32 has no root directory before the data.
        let root = (root * 32).next_multiple_of(sector.max(1));
        Layout { data: (reserved + tables * table) * sector + root, cluster: u64::from(head[13]) * sector }
    }

    /// The first byte of a file, of which `mshowfat` says this; `None` if its clusters do not follow each other.
    pub(super) fn offset(&self, said: &str, file: &str) -> Option<u64> {
        let run = said.trim().strip_prefix(file)?.trim().strip_prefix('<')?.strip_suffix('>')?;
        let first: u64 = run.split('-').next()?.parse().ok()?;
        Some(self.data + first.checked_sub(FIRST)? * self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_from_the_boot_sector() {
        let mut head = [0; HEAD];
        head[11..17].copy_from_slice(&[0, 2, 1, 32, 0, 2]);
        head[36..40].copy_from_slice(&1009_u32.to_le_bytes());
        let fat32 = Layout::of(&head);
        assert_eq!(fat32.offset("::/EFI/BOOT/grubenv <5-6>\n", "::/EFI/BOOT/grubenv"), Some(1_051_136));
        assert_eq!(fat32.offset("::/a <5>\n", "::/a"), Some(1_051_136));
        for said in ["", "::/a\n", "::/a <5> <9>\n", "::/a <1-2>\n", "::/a <x>\n", "::/b <5>\n"] {
            assert_eq!(fat32.offset(said, "::/a"), None, "{said}");
        }
        head[17..19].copy_from_slice(&[0, 2]);
        head[22..24].copy_from_slice(&[63, 0]);
        assert_eq!(Layout::of(&head).offset("::/a <2>", "::/a"), Some((32 + 2 * 63 + 32) * 512));
    }
}
