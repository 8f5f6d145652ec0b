//! The EFI system partition: a FAT from which UEFI firmware starts boot loaders. It need not be mounted anywhere.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use system::atomic;
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::overwrite::overwrite;
use system::partitions::Partition;
use system::resolve::Links;
use system::step::change;

use crate::boot::uboot;

/// The names at the top of the partition that belong to loaders.
const TOP: [&str; 2] = ["EFI", uboot::SCRIPT];

/// Where the partition is.
#[derive(Debug)]
pub struct Esp {
    /// Its entry in the table.
    pub partition: Partition,
    /// Its device, if the kernel has one.
    pub node: Option<PathBuf>,
    /// The disk or image.
    pub file: File,
    /// The name of the disk or image.
    pub disk: PathBuf,
    /// Whether the disk can only be read.
    pub is_read_only: bool,
}

/// An opened partition.
#[derive(Debug)]
pub struct OpenEsp {
    dir: Dir,
    access: Access,
    disk: PathBuf,
    number: u32,
}

/// How the files are reached. The fields are in the order in which they must be dropped.
#[derive(Debug)]
enum Access {
    /// The kernel knows FAT.
    Mounted { _mount: PrivateMount, _device: Option<LoopDevice> },
    /// It does not, and so nobody has mounted it.
    Mirrored(Mirror),
}

impl Esp {
    pub(super) fn open(&self, for_changes: bool) -> Result<OpenEsp> {
        let attach = || {
            let Partition { start, size, .. } = self.partition;
            LoopDevice::attach(&self.file, &self.disk, start, size, self.is_read_only)
        };
        let device = self.node.is_none().then(attach).transpose()?;
        let path = self.node.clone().or_else(|| Some(device.as_ref()?.path().to_owned())).unwrap_or_default();
        let access = match mount(&path, for_changes) {
            Err(error) if error.os_error() == Some(libc::ENODEV) => {
                Access::Mirrored(Mirror::new(path, device, &TOP)?)
            }
            mount => Access::Mounted { _mount: mount?, _device: device },
        };
        let place = match &access {
            Access::Mounted { _mount: mount, .. } => mount.path(),
            Access::Mirrored(mirror) => mirror.path(),
        };
        let dir = Dir::open(place)?.shown_as(format!("the EFI system partition of {}", self.disk.display()));
        Ok(OpenEsp { dir, access, disk: self.disk.clone(), number: self.partition.number })
    }
}

/// Mounts the partition. It may be mounted for changes elsewhere, and then cannot be mounted otherwise.
fn mount(device: &Path, for_changes: bool) -> Result<PrivateMount> {
    let mount = |flags: MsFlags| PrivateMount::new(device, "vfat", flags | MsFlags::MS_NOEXEC, "umask=0077");
    if for_changes {
        return mount(MsFlags::empty());
    }
    match mount(MsFlags::MS_RDONLY) {
        Err(error) if error.os_error() == Some(libc::EBUSY) => mount(MsFlags::empty()),
        outcome => outcome,
    }
}

impl OpenEsp {
    /// Its top-level directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The disk or image.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Its number in the partition table.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The free bytes.
    pub fn room(&self) -> Result<u64> {
        match &self.access {
            Access::Mirrored(mirror) => mirror.room(),
            Access::Mounted { .. } => {
                let stat = nix::sys::statvfs::fstatvfs(&self.dir).or_cannot("examine", self.dir.shown(""))?;
                Ok(stat.blocks_available() * stat.fragment_size())
            }
        }
    }

    /// Writes a file of a fixed size into the place of the old one, if there is one of this size. It is on the disk when this returns.
    pub fn overwrite(&self, path: &Path, content: &[u8]) -> Result<()> {
        let there = self.dir.stat_beneath(path)?;
        if there.is_none_or(|stat| stat.st_size.cast_unsigned() != content.len() as u64) {
            return self.write(path, content);
        }
        match &self.access {
            Access::Mirrored(mirror) if mirror.overwrite(path, content)? => Ok(()),
            Access::Mirrored(_) => self.write(path, content),
            Access::Mounted { .. } => {
                let file = File::from(self.dir.open_with(path, OFlag::O_RDWR, 0, Links::Beneath)?);
                overwrite(&file, &self.dir.shown(path), 0, content)
            }
        }
    }

    /// Replaces a file. It is on the disk when this returns.
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut dir = self.dir.duplicate()?;
        for name in path.parent().unwrap_or(Path::new("")) {
            dir = dir.ensure_dir(name, 0o755)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        atomic::write(&dir, &name, 0o644, content)?;
        self.commit()
    }

    fn commit(&self) -> Result<()> {
        match &self.access {
            Access::Mirrored(mirror) => mirror.push(),
            Access::Mounted { .. } => change("sync", self.dir.shown(""), || nix::unistd::syncfs(&self.dir)),
        }
    }
}
