//! Partition files, and the partition tables and superblocks of disks.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rawdisk::layout::Layout;
use rawdisk::partition_file::{PartitionFile, RawFile};
use system::error::Result;
use system::{partitions, superblock};

use crate::parts::choice;

const DISK: u64 = 8 << 30;

/// A choice: a partition file, or the beginning of a disk.
pub fn run(bytes: &[u8]) {
    match choice(bytes) {
        Some((b'@', beginning)) => read(beginning).expect("files in memory can be written to"),
        _ => lay_out(&String::from_utf8_lossy(bytes)),
    }
}

fn lay_out(text: &str) {
    let file = match PartitionFile::parse(text, Path::new("p.yaml")) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.to_string().starts_with("p.yaml: "), "{error}");
            return;
        }
    };
    let Ok(layout) = Layout::new(&file, DISK, 512) else { return };
    let mut end = 1;
    for placed in &layout.partitions {
        assert!(placed.start >= end, "partitions overlap");
        end = placed.start + placed.sectors;
        assert!(placed.bytes().end <= DISK, "a partition is outside the disk");
    }
    let measure = |raw: &RawFile| Ok(raw.file.as_os_str().len() as u64 * 1000);
    for placed in layout.place_files(&file, DISK, measure).unwrap_or_default() {
        assert!(placed.start + placed.size <= DISK, "a raw file is outside the disk");
    }
}

fn read(beginning: &[u8]) -> Result<(), std::io::Error> {
    let mut disk: File = tempfile::tempfile_in("/dev/shm")?;
    disk.write_all(beginning)?;
    disk.set_len(1 << 20)?;
    let shown = Path::new("disk");
    let found: Result<_> = partitions::read(&disk, shown);
    for partition in found.unwrap_or_default() {
        let _none = superblock::read(&disk, partition.start, shown);
    }
    Ok(())
}
