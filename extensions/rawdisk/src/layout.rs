//! Computes the places of all parts of the disk, before anything is written.

use std::ops::Range;
use std::path::Path;

use system::error::{Error, Result};
use system::partitions::SECTOR;

use crate::partition_file::{Partition, PartitionFile, RawFile, Size, Table};

/// The partitions of a disk with their places. All places are counted in sectors of 512 bytes, as the partition file does, also on a disk with
/// larger sectors. Only its table counts its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The kind of partition table.
    pub table: Table,
    /// Bytes in a sector of the disk.
    pub sector: u64,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<Placed>,
}

/// A partition with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The partition as it was asked for.
    pub partition: Partition,
    /// Its first sector.
    pub start: u64,
    /// Its size, sectors.
    pub sectors: u64,
}

/// A raw file with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFile {
    /// The file as it was asked for.
    pub raw: RawFile,
    /// Its start on the disk, bytes.
    pub start: u64,
    /// The number of bytes that are written.
    pub size: u64,
}

/// The sizes of partitions that share the rest of the disk are multiples of this, sectors: 1 MiB.
const ALIGNMENT: u64 = 2048;
/// The bytes of the entries of a GPT, which are at the start of the disk and at its end.
const GPT_ENTRIES: u64 = 128 * 128;
/// An MBR counts the disk's own sectors in 32 bits.
const MBR_SECTORS: u64 = 1 << 32;
/// The table begins at this byte. A raw file may bring its own boot code before it. The disk's id, in the last bytes before the table, is then
/// what the file has there: some boards have a loader that reaches into it.
const BOOT_CODE: u64 = 446;

impl Layout {
    /// Lays the partitions out on a disk of this size with sectors of this size (bytes).
    pub fn new(file: &PartitionFile, disk: u64, sector: u64) -> Result<Self> {
        let end = usable_end(file.table, disk, sector);
        let first = head(file.table, sector) / SECTOR;
        if !(file.start * SECTOR).is_multiple_of(sector) {
            return Err(Error::refused(format!(
                "start_offset {} counts sectors of {SECTOR} bytes, and the disk has sectors of {sector} bytes; \
                 use a multiple of {}",
                file.start,
                sector / SECTOR
            )));
        }
        if file.start < first {
            return Err(Error::refused(format!(
                "start_offset {} overlaps the partition table; use {first} or more",
                file.start
            )));
        }
        let shares = shares(file, end, sector)?;
        let mut start = file.start;
        let mut partitions = Vec::new();
        for (partition, sectors) in file.partitions.iter().cloned().zip(shares) {
            partitions.push(Placed { partition, start, sectors });
            start += sectors;
        }
        Ok(Layout { table: file.table, sector, partitions })
    }

    /// Places the raw files; `measure` tells the size of each. A file that would overwrite something else is refused.
    pub fn place_files(
        &self,
        file: &PartitionFile,
        disk: u64,
        measure: impl Fn(&RawFile) -> Result<u64>,
    ) -> Result<Vec<PlacedFile>> {
        let mut placed = Vec::new();
        let mut previous = 0;
        for raw in &file.raw_files {
            let one = place(raw, 0..disk, &mut previous, measure(raw)?, "the disk")?;
            self.refuse_overlap(&one, disk)?;
            placed.push(one);
        }
        for partition in &self.partitions {
            let range = partition.bytes();
            let mut previous = range.start;
            for raw in &partition.partition.raw_files {
                let name = format!("partition {}", partition.partition.number);
                placed.push(place(raw, range.clone(), &mut previous, measure(raw)?, &name)?);
            }
        }
        Ok(placed)
    }

    /// The partition mounted at this path.
    pub fn mounted_at(&self, path: &str) -> Option<&Placed> {
        self.partitions.iter().find(|placed| placed.partition.mountpoint.as_deref() == Some(Path::new(path)))
    }

    /// Refuses a file of the whole disk that overlaps the table or a partition with a filesystem.
    fn refuse_overlap(&self, file: &PlacedFile, disk: u64) -> Result<()> {
        let range = file.start..file.start + file.size;
        let head = head(self.table, self.sector);
        let tail = usable_end(self.table, disk, self.sector) * SECTOR;
        let over = |other: &Range<u64>| range.start < other.end && other.start < range.end;
        if over(&(BOOT_CODE..head)) || (self.table == Table::Gpt && over(&(tail..disk))) {
            return Err(overlap(file, "the partition table"));
        }
        let holds = |placed: &&Placed| placed.partition.filesystem.is_some() && over(&placed.bytes());
        match self.partitions.iter().find(holds) {
            Some(placed) => Err(overlap(file, &format!("partition {}", placed.partition.number))),
            None => Ok(()),
        }
    }
}

impl Placed {
    /// Its range on the disk, bytes.
    pub fn bytes(&self) -> Range<u64> {
        self.start * SECTOR..(self.start + self.sectors) * SECTOR
    }

    /// Its size, bytes.
    pub fn size(&self) -> u64 {
        self.sectors * SECTOR
    }
}

/// The bytes that the table takes at the start of the disk. A GPT has a protective MBR, a header and its entries.
fn head(table: Table, sector: u64) -> u64 {
    match table {
        Table::Gpt => 2 * sector + GPT_ENTRIES,
        Table::Mbr => sector,
    }
}

/// The first sector after those that partitions may use.
fn usable_end(table: Table, disk: u64, sector: u64) -> u64 {
    let own = match table {
        Table::Gpt => disk.saturating_sub(sector + GPT_ENTRIES) / sector,
        Table::Mbr => (disk / sector).min(MBR_SECTORS),
    };
    own * (sector / SECTOR)
}

/// The size of every partition, in sectors.
fn shares(file: &PartitionFile, end: u64, sector: u64) -> Result<Vec<u64>> {
    let fixed = |partition: &Partition| match partition.size {
        Size::Bytes(bytes) => bytes.div_ceil(sector).saturating_mul(sector / SECTOR),
        Size::Fill => 0,
    };
    let taken =
        file.partitions.iter().try_fold(file.start, |sum, partition| sum.checked_add(fixed(partition)));
    let left = taken.and_then(|taken| end.checked_sub(taken)).ok_or_else(|| too_large(file, end))?;
    let fills = file.partitions.iter().filter(|partition| partition.size == Size::Fill).count() as u64;
    let share = left.checked_div(fills).unwrap_or(0) / ALIGNMENT * ALIGNMENT;
    if fills > 0 && share == 0 {
        return Err(Error::refused(format!(
            "{} partitions share what is left by size: fill, which is {} KiB; a share must be 1 MiB or more, \
             so make the disk larger or the other partitions smaller",
            fills,
            left * SECTOR / 1024
        )));
    }
    Ok(file
        .partitions
        .iter()
        .map(|partition| if partition.size == Size::Fill { share } else { fixed(partition) })
        .collect())
}

fn too_large(file: &PartitionFile, end: u64) -> Error {
    let asked = file.partitions.iter().map(|partition| match partition.size {
        Size::Bytes(bytes) => u128::from(bytes),
        Size::Fill => 0,
    });
    let mebibytes = |bytes: u128| bytes.div_ceil(1 << 20);
    let room = u128::from(end.saturating_sub(file.start)) * u128::from(SECTOR);
    Error::refused(format!(
        "the partitions take {} MiB, and the disk has {} MiB for them; make the disk larger or them smaller",
        mebibytes(asked.sum()),
        room >> 20
    ))
}

fn place(
    raw: &RawFile,
    within: Range<u64>,
    previous: &mut u64,
    length: u64,
    name: &str,
) -> Result<PlacedFile> {
    let shown = raw.file.display();
    let size = length.checked_sub(raw.skip).ok_or_else(|| {
        Error::refused(format!("skip_bytes of raw file {shown} is {}, and it has {length} bytes", raw.skip))
    })?;
    let size = size.min(raw.count.unwrap_or(u64::MAX));
    let start = raw.offset.map_or(Some(*previous), |offset| within.start.checked_add(offset));
    let end = start.and_then(|start| start.checked_add(size)).filter(|&end| end <= within.end);
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Error::refused(format!(
            "raw file {shown} ({size} bytes) does not fit into {name}, which has {} bytes, at its offset",
            within.end - within.start
        )));
    };
    *previous = end;
    Ok(PlacedFile { raw: raw.clone(), start, size })
}

fn overlap(file: &PlacedFile, what: &str) -> Error {
    Error::refused(format!(
        "raw file {} (bytes {} to {}) would overwrite {what}; give it another offset",
        file.raw.file.display(),
        file.start,
        file.start + file.size
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: u64 = 256 << 20;

    fn file(text: &str) -> PartitionFile {
        PartitionFile::parse(text, Path::new("disk.yaml")).unwrap()
    }

    fn layout(text: &str) -> Result<Layout> {
        Layout::new(&file(text), DISK, SECTOR)
    }

    fn places(text: &str) -> Vec<(u64, u64)> {
        layout(text).unwrap().partitions.iter().map(|placed| (placed.start, placed.sectors)).collect()
    }

    #[test]
    fn partitions_follow_each_other_and_fills_share_the_rest() {
        let text = "partition_table_format: mbr\npartitions:\n- {size: 64M, filesystem: ext4, mountpoint: /boot}\n\
                    - {size: fill, filesystem: btrfs, mountpoint: /}\n- {size: fill, filesystem: none}\n\
                    - {size: 1000, filesystem: none}\n";
        let share = (DISK / 512 - 2048 - 131_072 - 2) / 2 / 2048 * 2048;
        let expected =
            [(2048, 131_072), (133_120, share), (133_120 + share, share), (133_120 + 2 * share, 2)];
        assert_eq!(places(text), expected);
    }

    #[test]
    fn a_gpt_keeps_room_for_itself_at_both_ends() {
        let [(start, sectors)] = places("partitions: [{size: fill, filesystem: btrfs, mountpoint: /}]")[..]
        else {
            panic!()
        };
        assert!(start == 2048 && start + sectors <= DISK / 512 - 33);
        let error = layout("start_offset: 33\npartitions: [{size: fill, filesystem: btrfs, mountpoint: /}]")
            .unwrap_err();
        assert!(error.to_string().contains("use 34 or more"), "{error}");
    }

    #[test]
    fn a_disk_with_larger_sectors_has_whole_ones_in_every_partition() {
        let text =
            "partitions:\n- {size: 1000, filesystem: none}\n- {size: fill, filesystem: btrfs, mountpoint: /}";
        let layout = Layout::new(&file(text), DISK, 4096).unwrap();
        assert_eq!((layout.partitions[0].bytes(), layout.sector), (1 << 20..(1 << 20) + 4096, 4096));
        assert!(layout.partitions[1].bytes().end <= DISK - 4096 - GPT_ENTRIES);
        let odd = Layout::new(&file(&format!("start_offset: 2049\n{text}")), DISK, 4096).unwrap_err();
        assert!(odd.to_string().contains("sectors of 4096 bytes; use a multiple of 8"), "{odd}");
        let early = Layout::new(&file(&format!("start_offset: 40\n{text}")), DISK, 4096).unwrap_err();
        assert!(early.to_string().contains("use 48 or more"), "{early}");
    }

    #[test]
    fn partitions_that_do_not_fit_are_refused_with_the_numbers() {
        let root = "{size: fill, filesystem: btrfs, mountpoint: /}";
        let cases = [
            (
                format!("partitions: [{root}, {{size: 300M, filesystem: none}}]"),
                "take 300 MiB, and the disk has 254 MiB",
            ),
            (
                format!(
                    "partitions: [{root}, {{size: 16777215T, filesystem: none}}, {{size: 16777215T, filesystem: none}}]"
                ),
                "and the disk has",
            ),
            (
                format!(
                    "partitions: [{root}, {{size: fill, filesystem: none}}, {{size: 254M, filesystem: none}}]"
                ),
                "2 partitions share",
            ),
        ];
        for (text, expected) in cases {
            let message = layout(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    fn files(text: &str, length: u64) -> Result<Vec<PlacedFile>> {
        let file = file(text);
        Layout::new(&file, DISK, SECTOR)?.place_files(&file, DISK, |_| Ok(length))
    }

    #[test]
    fn raw_files_follow_each_other_and_count_from_their_partition() {
        let text = "partitions:\n- {size: 1M, filesystem: none, fdisk_type: none, raw_files: [{file: a, offset_sectors: 1}, {file: b}]}\n\
                    - {size: fill, filesystem: btrfs, mountpoint: /}\n\
                    raw_files: [{file: c, offset_bytes: 20K, skip_bytes: 100, count_bytes: 50}]\n";
        let found: Vec<_> =
            files(text, 1000).unwrap().into_iter().map(|file| (file.start, file.size)).collect();
        assert_eq!(found, [(20 << 10, 50), ((1 << 20) + 512, 1000), ((1 << 20) + 1512, 1000)]);
    }

    #[test]
    fn a_loader_may_reach_as_far_as_the_entries_of_the_table() {
        let text = |count: u64| {
            format!(
                "partition_table_format: mbr\npartitions: [{{size: fill, filesystem: btrfs, mountpoint: /}}]\nraw_files: \
                 [{{file: a, offset_bytes: 0, count_bytes: {count}}}, {{file: a, offset_bytes: 512}}]\n"
            )
        };
        let found: Vec<_> =
            files(&text(446), 1000).unwrap().into_iter().map(|file| (file.start, file.size)).collect();
        assert_eq!(found, [(0, 446), (512, 1000)]);
        assert!(files(&text(447), 1000).unwrap_err().to_string().contains("the partition table"));
    }

    #[test]
    fn raw_files_overwrite_nothing() {
        let with = |raw: &str| {
            format!("partitions: [{{size: fill, filesystem: btrfs, mountpoint: /}}]\nraw_files: [{raw}]")
        };
        for (raw, expected) in [
            ("{file: a, offset_bytes: 400}", "the partition table"),
            ("{file: a, offset_sectors: 33}", "the partition table"),
            ("{file: a, offset_sectors: 524287, count_bytes: 10}", "the partition table"),
            ("{file: a, offset_bytes: 2M}", "partition 1"),
            ("{file: a, offset_bytes: 1T}", "does not fit"),
            ("{file: a, skip_bytes: 1001}", "skip_bytes"),
        ] {
            let message = files(&with(raw), 1000).unwrap_err().to_string();
            assert!(message.contains(expected), "{raw}: {message}");
        }
        assert!(files(&with("{file: a, count_bytes: 440}"), 1000).is_ok(), "own boot code");
    }
}
