//! The lines of fstab for the other partitions of the disk.

use std::fmt::Write;

use system::partitions::Partition;

use crate::disk::Partitioned;

/// One line for each mounted partition, and for swap. Partitions are found by the UUID in the table, because not every filesystem has one.
pub fn lines(parts: &Partitioned, table: &[Partition]) -> String {
    let mut text = String::new();
    for placed in parts.others() {
        let Some(entry) = table.iter().find(|entry| entry.number == placed.partition.number) else {
            continue;
        };
        let uuid = &entry.part_uuid;
        match (&placed.partition.mountpoint, placed.partition.filesystem.as_deref()) {
            (Some(place), Some(kind)) => {
                // FAT has no owners and no modes, so everything there is for root only.
                let options = if placed.partition.is_fat() {
                    "defaults,noatime,umask=0077"
                } else {
                    "defaults,noatime"
                };
                let kind = if placed.partition.is_fat() { "vfat" } else { kind };
                let _infallible = writeln!(text, "PARTUUID={uuid} {} {kind} {options} 0 2", place.display());
            }
            (None, Some("swap")) => {
                let _infallible = writeln!(text, "PARTUUID={uuid} none swap sw 0 0");
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::layout::Layout;
    use crate::partition_file::PartitionFile;

    #[test]
    fn every_mounted_partition_and_swap_has_a_line() {
        let text = "partitions:\n- {size: 64M, filesystem: vfat, mountpoint: /boot}\n\
                    - {size: fill, filesystem: btrfs, mountpoint: /}\n- {size: 8M, filesystem: swap}\n\
                    - {size: 8M, filesystem: ext4, mountpoint: /data}\n- {size: 8M, filesystem: ext4}\n";
        let file = PartitionFile::parse(text, Path::new("disk.yaml")).unwrap();
        let layout = Layout::new(&file, 1 << 30, 512).unwrap();
        let table: Vec<Partition> = (1..=5)
            .map(|number| Partition {
                number,
                start: 0,
                size: 0,
                part_uuid: format!("u{number}"),
                label: String::new(),
                is_esp: false,
            })
            .collect();
        let expected = "PARTUUID=u1 /boot vfat defaults,noatime,umask=0077 0 2\n\
                        PARTUUID=u3 none swap sw 0 0\n\
                        PARTUUID=u4 /data ext4 defaults,noatime 0 2\n";
        assert_eq!(lines(&Partitioned { file, layout }, &table), expected);
    }
}
