//! The partition file, checked as far as that is possible without the disk.

mod raw;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use system::error::{Error, Result};

use crate::loader::Loader;

/// The disk that the file describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFile {
    /// The start of the first partition, sectors.
    pub start: u64,
    /// The kind of partition table.
    pub table: Table,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<Partition>,
    /// Files that are written to the disk as they are.
    pub raw_files: Vec<RawFile>,
}

/// The kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

/// One partition that the file describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the table, from 1.
    pub number: u32,
    /// Its size.
    pub size: Size,
    /// Its type in an MBR. `None` keeps the space but makes no entry in the table.
    pub kind: Option<u8>,
    /// Its filesystem, named as `mkfs` does; `None` if it has none.
    pub filesystem: Option<String>,
    /// Its name in a GPT.
    pub description: Option<String>,
    /// Whether the firmware or the boot code of the table starts it.
    pub boot: bool,
    /// Its mount point.
    pub mountpoint: Option<PathBuf>,
    /// Files that are written to it as they are.
    pub raw_files: Vec<RawFile>,
}

/// The size of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// A share of the space that other partitions leave.
    Fill,
}

/// A file of the root filesystem that is written to the disk as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFile {
    /// Its path in the root filesystem.
    pub file: PathBuf,
    /// Its place, bytes from the start of the disk or partition. `None` puts it after the previous one.
    pub offset: Option<u64>,
    /// The bytes at its beginning that are left out.
    pub skip: u64,
    /// The most bytes that are written.
    pub count: Option<u64>,
}

/// The filesystem that holds the versions.
pub const ROOT_FILESYSTEM: &str = "btrfs";
/// The default type of a partition.
const DEFAULT_KIND: u8 = 0x81;
/// The type of an EFI system partition in an MBR.
const ESP_KIND: u8 = 0xef;
/// The size of an EFI system partition, bytes: a FAT32 with room for several loaders.
const ESP_SIZE: u64 = 64 << 20;
/// The size of a `/boot`, bytes: for five versions of a kernel and an initramfs of a Debian.
const BOOT_SIZE: u64 = 512 << 20;
/// The default start of the first partition, sectors.
const DEFAULT_START: u64 = 2048;

impl PartitionFile {
    /// Parses the file's text; `shown` is its name for messages.
    pub fn parse(text: &str, shown: &Path) -> Result<Self> {
        let file = raw::parse(text, shown)?;
        file.check().map_err(|reason| Error::malformed(shown, reason))?;
        Ok(file)
    }

    /// The layout without a partition file: one bootable btrfs that fills the disk; before it what the loader needs.
    pub fn default_layout(loader: Loader) -> Self {
        let mut partitions = Vec::new();
        if loader.has_esp() {
            let esp =
                Partition { kind: Some(ESP_KIND), description: Some("EFI".into()), ..filesystem("vfat") };
            partitions.push(Partition { size: Size::Bytes(ESP_SIZE), boot: loader == Loader::Uboot, ..esp });
        }
        if loader == Loader::Uboot {
            let boot = Partition { mountpoint: Some("/boot".into()), ..filesystem("ext4") };
            partitions.push(Partition { size: Size::Bytes(BOOT_SIZE), ..boot });
        }
        let root = Partition { mountpoint: Some("/".into()), ..filesystem(ROOT_FILESYSTEM) };
        partitions.push(Partition { size: Size::Fill, boot: loader != Loader::Uboot, ..root });
        for (partition, number) in partitions.iter_mut().zip(1..) {
            partition.number = number;
        }
        let table = if loader.has_esp() { Table::Gpt } else { Table::Mbr };
        PartitionFile { start: DEFAULT_START, table, partitions, raw_files: Vec::new() }
    }

    /// The partition that holds the versions.
    pub fn root(&self) -> Option<&Partition> {
        self.mounted_at("/")
    }

    /// The partition that is mounted at this path.
    pub fn mounted_at(&self, path: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.mountpoint.as_deref() == Some(Path::new(path)))
    }

    /// The partition that boot loaders read: `/boot` if there is one, else the root.
    pub fn boot(&self) -> Option<&Partition> {
        self.mounted_at("/boot").or_else(|| self.root())
    }

    /// The EFI system partition.
    pub fn esp(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.is_esp())
    }

    fn check(&self) -> Result<(), String> {
        self.check_numbers()?;
        self.check_mountpoints()?;
        self.partitions.iter().try_for_each(Partition::check)?;
        match self.partitions.iter().filter(|partition| partition.boot).count() {
            0 | 1 => Ok(()),
            several => Err(format!("{several} partitions say boot: yes; at most one can")),
        }
    }

    fn check_numbers(&self) -> Result<(), String> {
        let (most, name) = self.table.limit();
        let entries: Vec<_> = self.partitions.iter().filter(|partition| partition.kind.is_some()).collect();
        if entries.len() > most as usize {
            return Err(format!("{} partitions; {name} has at most {most}", entries.len()));
        }
        let mut seen = BTreeSet::new();
        for partition in entries {
            if !(1..=most).contains(&partition.number) {
                return Err(format!("partition number {}; {name} has 1 to {most}", partition.number));
            }
            if !seen.insert(partition.number) {
                return Err(format!("two partitions have number {}; numbers must differ", partition.number));
            }
        }
        Ok(())
    }

    fn check_mountpoints(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for place in self.partitions.iter().filter_map(|partition| partition.mountpoint.as_deref()) {
            if !seen.insert(place) {
                return Err(format!("two partitions have mountpoint {}; one is enough", place.display()));
            }
        }
        let Some(root) = self.root() else {
            return Err("no partition has mountpoint /; one must, for the root filesystem".into());
        };
        match root.filesystem.as_deref() {
            None | Some(ROOT_FILESYSTEM) => Ok(()),
            Some(other) => Err(format!("the partition of / has filesystem {other}; versions need btrfs")),
        }
    }
}

/// A partition with this filesystem.
fn filesystem(kind: &str) -> Partition {
    Partition {
        number: 0,
        size: Size::Fill,
        kind: Some(DEFAULT_KIND),
        filesystem: Some(kind.into()),
        description: None,
        boot: false,
        mountpoint: None,
        raw_files: Vec::new(),
    }
}

impl Partition {
    fn check(&self) -> Result<(), String> {
        let number = self.number;
        let Some(place) = &self.mountpoint else { return Ok(()) };
        let Some(filesystem) = &self.filesystem else {
            return Err(format!(
                "partition {number} has mountpoint {} and no filesystem; name one",
                place.display()
            ));
        };
        if filesystem == "swap" {
            return Err(format!("partition {number} is swap, which is not mounted; leave out mountpoint"));
        }
        if self.kind.is_none() {
            return Err(format!(
                "partition {number} has mountpoint {} and fdisk_type none, so nothing would find it",
                place.display()
            ));
        }
        Ok(())
    }

    /// Whether UEFI firmware looks for boot loaders on it.
    pub fn is_esp(&self) -> bool {
        self.kind == Some(ESP_KIND) && self.is_fat()
    }

    /// Whether its filesystem is FAT.
    pub fn is_fat(&self) -> bool {
        matches!(self.filesystem.as_deref(), Some("vfat" | "fat" | "msdos"))
    }
}

impl Table {
    /// The most partitions that it can have, and its name.
    fn limit(self) -> (u32, &'static str) {
        match self {
            Table::Gpt => (128, "a GPT"),
            Table::Mbr => (4, "an MBR"),
        }
    }
}
