//! The partitions of a disk or image, read from its table.

mod mbr;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::{Error, OrCannot, Result};
use crate::sys::block;

/// Bytes in a sector of an image, and of most disks.
pub const SECTOR: u64 = 512;

/// Bytes in a sector of the device. An image has those of most disks.
pub fn sector_size(disk: &File, shown: &Path) -> Result<u64> {
    if !disk.metadata().or_cannot("examine", shown)?.file_type().is_block_device() {
        return Ok(SECTOR);
    }
    block::sector_size(disk.as_fd()).or_cannot("examine", shown)
}

/// The type of an EFI system partition in a GPT, as the table has it, and in an MBR.
const ESP: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
const MBR_ESP: u8 = 0xef;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the table, from 1.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its UUID in the kernel's notation for `PARTUUID=`.
    pub part_uuid: String,
    /// Its name in a GPT, which `PARTLABEL=` gives. An MBR has no names.
    pub label: String,
    /// Whether UEFI firmware looks for boot loaders on it: it is an EFI system partition.
    pub is_esp: bool,
}

/// Reads the partition table of the device or image. A disk without a table has no partitions.
pub fn read(disk: &File, shown: &Path) -> Result<Vec<Partition>> {
    let mut disk = disk;
    disk.seek(SeekFrom::Start(0)).or_cannot("read", shown)?;
    let mut sector = [0; 512];
    match disk.read_exact(&mut sector) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Vec::new()),
        outcome => outcome.or_cannot("read", shown)?,
    }
    if sector[510..] != [0x55, 0xaa] {
        return Ok(Vec::new());
    }
    let broken =
        |error: &dyn std::fmt::Display| Error::malformed(shown, format!("broken partition table ({error})"));
    // A disk with a GPT has a protective MBR with a partition of this type.
    if sector[446 + 4] == 0xee {
        let table = gptman::GPT::find_from(&mut disk).map_err(|error| broken(&error))?;
        return Ok(of_gpt(&table));
    }
    // The first sector of a FAT, or of a disk with a loader but no partitions, ends with the same signature. It has other data in the
    // place of the entries.
    let flags = (0..4).map(|entry| sector[446 + 16 * entry]);
    if !flags.into_iter().all(|flag| matches!(flag, 0 | 0x80)) {
        return Ok(Vec::new());
    }
    mbr::read(disk, &sector, sector_size(disk, shown)?, shown)
}

fn of_gpt(table: &gptman::GPT) -> Vec<Partition> {
    let used = table.iter().filter(|(_, entry)| entry.is_used());
    used.map(|(number, entry)| Partition {
        number,
        start: entry.starting_lba * table.sector_size,
        size: (entry.ending_lba + 1).saturating_sub(entry.starting_lba) * table.sector_size,
        part_uuid: guid(&entry.unique_partition_guid),
        label: entry.partition_name.as_str().to_owned(),
        is_esp: entry.partition_type_guid == ESP,
    })
    .collect()
}

/// A GUID in the usual notation. On the disk its first three fields are little-endian.
pub fn guid(bytes: &[u8; 16]) -> String {
    let mut ordered = *bytes;
    ordered[..4].reverse();
    ordered[4..6].reverse();
    ordered[6..8].reverse();
    crate::superblock::Uuid(ordered).to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn disk(write: impl FnOnce(&mut File)) -> Vec<Partition> {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        write(&mut file);
        read(&file, Path::new("disk")).unwrap()
    }

    #[test]
    fn an_mbr_is_read() {
        let found = disk(|file| {
            let mut table = mbrman::MBR::new_from(file, 512, 0x1234_abcd_u32.to_le_bytes()).unwrap();
            table[2] = mbrman::MBRPartitionEntry {
                sys: 0x83,
                starting_lba: 2048,
                sectors: 4096,
                ..mbrman::MBRPartitionEntry::empty()
            };
            table.write_into(file).unwrap();
        });
        let part_uuid = "1234abcd-02".to_owned();
        let label = String::new();
        assert_eq!(
            found,
            [Partition { number: 2, start: 1 << 20, size: 2 << 20, part_uuid, label, is_esp: false }]
        );
    }

    #[test]
    fn logical_partitions_have_the_numbers_that_the_kernel_gives_them() {
        let entry = |kind: u8, start: u32, sectors: u32| {
            let mut entry = [0; 16];
            entry[4] = kind;
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..].copy_from_slice(&sectors.to_le_bytes());
            entry
        };
        let found = disk(|file| {
            let put = |at: u64, entries: [[u8; 16]; 2]| {
                let mut sector = [0; 512];
                sector[446..478].copy_from_slice(entries.as_flattened());
                sector[510..].copy_from_slice(&[0x55, 0xaa]);
                file.write_all_at(&sector, at * SECTOR).unwrap();
            };
            // The first partition begins at the start of the disk, as in an image that is also a CD.
            put(0, [entry(0x17, 0, 100), entry(5, 2048, 60000)]);
            put(2048, [entry(0x83, 2048, 4096), entry(5, 8192, 10000)]);
            put(10240, [entry(0, 0, 0), entry(5, 20480, 10000)]);
            // This table leads back to an earlier one, so reading must end here.
            put(22528, [entry(0x83, 2048, 5000), entry(5, 8192, 10000)]);
        });
        let places: Vec<_> =
            found.iter().map(|one| (one.number, one.start / SECTOR, one.size / SECTOR)).collect();
        assert_eq!(places, [(1, 0, 100), (5, 4096, 4096), (6, 24576, 5000)]);
        assert_eq!(found[1].part_uuid, "00000000-05");
    }

    #[test]
    fn a_gpt_is_read() {
        let unique = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let found = disk(|file| {
            let mut table = gptman::GPT::new_from(file, 512, [9; 16]).unwrap();
            table[5] = gptman::GPTPartitionEntry {
                partition_type_guid: [7; 16],
                unique_partition_guid: unique,
                starting_lba: 2048,
                ending_lba: 4095,
                partition_name: "boot disk".into(),
                ..gptman::GPTPartitionEntry::empty()
            };
            gptman::GPT::write_protective_mbr_into(file, 512).unwrap();
            table.write_into(file).unwrap();
        });
        let part_uuid = "03020100-0504-0706-0809-0a0b0c0d0e0f".to_owned();
        let label = "boot disk".to_owned();
        assert_eq!(
            found,
            [Partition { number: 5, start: 1 << 20, size: 1 << 20, part_uuid, label, is_esp: false }]
        );
    }

    #[test]
    fn a_disk_without_a_table_has_no_partitions() {
        assert_eq!(disk(|_| {}), []);
        assert_eq!(read(&File::open("/dev/null").unwrap(), Path::new("null")).unwrap(), []);
    }
}
