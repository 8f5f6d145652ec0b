//! What a filesystem on a partition is called: its UUID and its label, read from its superblock.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use system::error::{OrCannot, Result};
use system::superblock::Uuid;

/// A filesystem that boot loaders can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filesystem {
    /// Its UUID, as fstab writes it.
    pub uuid: String,
    /// Its label; empty if it has none.
    pub label: String,
    /// Its kind, as `mount` knows it.
    pub kind: &'static str,
}

/// The place of the superblock of an ext filesystem, bytes.
const EXT: usize = 1024;

/// The ext or FAT filesystem that begins `start` bytes into the disk.
pub(super) fn read(disk: &File, start: u64, shown: &Path) -> Result<Option<Filesystem>> {
    let mut bytes = [0; 2048];
    match disk.read_exact_at(&mut bytes, start) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome.or_cannot("read", shown)?,
    }
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8; 2048]) -> Option<Filesystem> {
    let text = |from: usize, most: usize| {
        let field = &bytes[from..from + most];
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(most);
        String::from_utf8_lossy(&field[..end]).trim_end().to_owned()
    };
    if bytes[EXT + 0x38..EXT + 0x3a] == [0x53, 0xef] {
        let uuid = Uuid(bytes[EXT + 0x68..].first_chunk().copied()?).to_string();
        return Some(Filesystem { uuid, label: text(EXT + 0x78, 16), kind: "ext4" });
    }
    let fat = |serial: usize| {
        let [a, b, c, d] = bytes[serial..].first_chunk().copied()?;
        let label = Some(text(serial + 4, 11)).filter(|label| label != "NO NAME").unwrap_or_default();
        Some(Filesystem { uuid: format!("{d:02X}{c:02X}-{b:02X}{a:02X}"), label, kind: "vfat" })
    };
    match (&bytes[0x52..0x57], &bytes[0x36..0x39]) {
        (b"FAT32", _) => fat(0x43),
        (_, b"FAT") => fat(0x27),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_and_label_are_read() {
        let mut bytes = [0; 2048];
        assert_eq!(parse(&bytes), None);
        bytes[0x52..0x57].copy_from_slice(b"FAT32");
        bytes[0x43..0x47].copy_from_slice(&[0xcd, 0xab, 0x34, 0x12]);
        bytes[0x47..0x52].copy_from_slice(b"MY BOOT    ");
        let fat = Filesystem { uuid: "1234-ABCD".into(), label: "MY BOOT".into(), kind: "vfat" };
        assert_eq!(parse(&bytes), Some(fat));
        bytes[EXT + 0x38..EXT + 0x3a].copy_from_slice(&[0x53, 0xef]);
        bytes[EXT + 0x68..EXT + 0x78].copy_from_slice(&[0x11; 16]);
        bytes[EXT + 0x78..EXT + 0x7c].copy_from_slice(b"boot");
        let uuid = "11111111-1111-1111-1111-111111111111".into();
        assert_eq!(parse(&bytes), Some(Filesystem { uuid, label: "boot".into(), kind: "ext4" }));
    }
}
