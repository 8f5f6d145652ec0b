//! Reads the btrfs superblock from the device itself. Only the superblock has the filesystem's true UUID.

use std::fmt;
use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::Path;

use linux_raw_sys::btrfs::{BTRFS_MAGIC, btrfs_super_block};

use crate::error::{OrCannot, Result};

/// The offset of the superblock, in bytes from the start of the device.
const OFFSET: u64 = 64 * 1024;

/// A filesystem UUID, in the usual notation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

/// The needed fields of the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The filesystem's UUID.
    pub uuid: Uuid,
    /// Size of the filesystem in bytes.
    pub total_bytes: u64,
    /// The number of its devices.
    pub devices: u64,
}

/// Reads the superblock of the filesystem at `offset` (bytes) of a device or image; `None` if that is not btrfs.
pub fn read(file: &File, offset: u64, shown: &Path) -> Result<Option<Superblock>> {
    let mut bytes = [0u8; size_of::<btrfs_super_block>()];
    match file.read_exact_at(&mut bytes, offset + OFFSET) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome.or_cannot("read", shown)?,
    }
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8; size_of::<btrfs_super_block>()]) -> Option<Superblock> {
    let number = |at: usize| bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes);
    let uuid = bytes[offset_of!(btrfs_super_block, fsid)..].first_chunk().copied()?;
    (number(offset_of!(btrfs_super_block, magic)) == BTRFS_MAGIC).then(|| Superblock {
        uuid: Uuid(uuid),
        total_bytes: number(offset_of!(btrfs_super_block, total_bytes)),
        devices: number(offset_of!(btrfs_super_block, num_devices)),
    })
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if [4, 6, 8, 10].contains(&index) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_shown_as_everywhere() {
        let uuid = Uuid(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert_eq!(uuid.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn other_bytes_are_no_superblock() {
        assert_eq!(parse(&[0; size_of::<btrfs_super_block>()]), None);
    }
}
