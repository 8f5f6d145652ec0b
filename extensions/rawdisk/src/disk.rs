//! The disk that location and environment ask for: all that can be decided without the root filesystem.

use std::ops::Range;
use std::path::Path;

use baserock::operations::boot_loader::{extlinux, uboot};
use baserock::volume::Kind;
use baserock::yaml;
use system::error::{Error, Result};
use system::file;
use system::partitions::SECTOR;

use crate::layout::{Layout, Placed};
use crate::loader::Loader;
use crate::options::Options;
use crate::partition_file::PartitionFile;
use crate::target;

/// A disk that is to be written.
#[derive(Debug)]
pub struct Disk {
    /// Its size, bytes.
    pub size: u64,
    /// Its partitions; `None` if the whole disk is the volume.
    pub partitioned: Option<Partitioned>,
}

/// The partitions of a disk.
#[derive(Debug)]
pub struct Partitioned {
    /// The partitions as they were asked for.
    pub file: PartitionFile,
    /// Their places on the disk.
    pub layout: Layout,
}

impl Disk {
    /// The disk at the location. Nothing is changed.
    pub fn new(location: &Path, options: &Options, loader: Loader) -> Result<Self> {
        let (size, sector) = if target::is_device(location) {
            target::check_device(location, options.force)?;
            target::size_of_device(location)?
        } else {
            refuse_existing(location)?;
            (options.required_size()?, SECTOR)
        };
        if loader.has_extlinux() && sector != SECTOR {
            return Err(Error::refused(format!(
                "{} has sectors of {sector} bytes, and BIOS machines boot only from sectors of {SECTOR} bytes; \
                 set BOOTLOADER_INSTALL=grub-efi, or none and boot it by other means",
                location.display()
            )));
        }
        let is_partitioned = options.partitioning || loader.has_esp();
        let partitioned = is_partitioned.then(|| partitioned(options, loader, size, sector)).transpose()?;
        let disk = Disk { size, partitioned };
        if loader.has_extlinux() {
            extlinux::check(disk.loader_kind())?;
        }
        if loader == Loader::Uboot {
            uboot::check()?;
        }
        if loader == Loader::Uboot && disk.loader_kind() != Kind::Separate {
            return Err(Error::refused(
                "U-Boot reads the kernels from an ext4; add a partition with filesystem ext4 and mountpoint /boot",
            ));
        }
        if loader.has_grub() && disk.loader_kind() != Kind::Volume {
            return Err(Error::refused(
                "GRUB reads the kernels from the volume; leave out the partition of /boot, \
                 or set BOOTLOADER_INSTALL=extlinux or none",
            ));
        }
        Ok(disk)
    }

    /// The range of the volume on the disk, bytes.
    pub fn volume(&self) -> Range<u64> {
        let root = self.partitioned.as_ref().and_then(|parts| parts.layout.mounted_at("/"));
        root.map_or(0..self.size, Placed::bytes)
    }

    /// Whether extlinux has to read the volume itself.
    pub fn extlinux_reads_volume(&self, loader: Loader) -> bool {
        loader.has_extlinux() && self.loader_kind() == Kind::Volume
    }

    /// The kind of filesystem that the boot loader reads.
    pub fn loader_kind(&self) -> Kind {
        let boot = self.partitioned.as_ref().and_then(|parts| parts.layout.mounted_at("/boot"));
        match boot {
            None => Kind::Volume,
            Some(placed) if placed.partition.is_fat() => Kind::Fat,
            Some(_) => Kind::Separate,
        }
    }
}

impl Partitioned {
    /// The number of the partition that boot code starts: the one with `boot: yes`, else the one with the boot loader.
    pub fn bootable(&self, has_loader: bool) -> Option<u32> {
        let said = self.file.partitions.iter().find(|partition| partition.boot);
        said.or_else(|| self.file.boot().filter(|_| has_loader)).map(|partition| partition.number)
    }

    /// The partitions other than the volume's.
    pub fn others(&self) -> impl Iterator<Item = &Placed> {
        let is_root = |placed: &&Placed| placed.partition.mountpoint.as_deref() == Some(Path::new("/"));
        self.layout.partitions.iter().filter(move |placed| !is_root(placed))
    }
}

fn partitioned(options: &Options, loader: Loader, size: u64, sector: u64) -> Result<Partitioned> {
    let file = match &options.partition_file {
        None => PartitionFile::default_layout(loader),
        Some(path) => {
            let file = PartitionFile::parse(&file::read_text(path, yaml::MOST)?, path)?;
            if loader.has_esp() && file.esp().is_none() {
                return Err(Error::malformed(
                    path,
                    "the boot loader needs an EFI system partition: give one fdisk_type 0xef, filesystem vfat and size 64M",
                ));
            }
            file
        }
    };
    let layout = Layout::new(&file, size, sector)?;
    Ok(Partitioned { file, layout })
}

fn refuse_existing(location: &Path) -> Result<()> {
    if location.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} exists; remove it first, choose another name, or set UPGRADE=yes to add a version to it",
        location.display()
    )))
}
