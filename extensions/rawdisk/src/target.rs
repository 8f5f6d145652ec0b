//! The target to which the disk is written: a new image, or a device.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use system::error::{Error, OrCannot, Result};
use system::partitions;
use system::process::Program;
use system::step::change;

use crate::image::NewImage;

/// A target.
pub enum Target {
    /// A new image.
    Image(NewImage),
    /// A device.
    Device(Device),
}

/// A device that nothing else uses.
pub struct Device {
    file: File,
    path: PathBuf,
    is_half_written: bool,
}

/// Bytes at the start of a device that are cleared after a failure, so that no partition table or filesystem is found there.
const HEAD: usize = 1 << 20;

impl Target {
    /// The device at the location if there is one, else a new image of this size.
    pub fn new(location: &Path, size: u64) -> Result<Self> {
        if is_device(location) {
            return Device::open(location).map(Target::Device);
        }
        NewImage::new(location, size).map(Target::Image)
    }

    /// The open file or device.
    pub fn file(&self) -> &File {
        match self {
            Target::Image(image) => image.file(),
            Target::Device(device) => &device.file,
        }
    }

    /// A path at which this process and its children find it.
    pub fn path(&self) -> PathBuf {
        match self {
            Target::Image(image) => image.path(),
            Target::Device(device) => device.path.clone(),
        }
    }

    /// Removes the filesystems and tables of a device, so that no old one is found beside the new ones. From here on a failure leaves the
    /// device empty.
    pub fn begin(&mut self) -> Result<()> {
        if let Target::Device(device) = self {
            Program::new("wipefs")
                .package("util-linux")
                .args(["--all", "--quiet"])
                .arg(&device.path)
                .run()?;
            device.is_half_written = true;
        }
        Ok(())
    }

    /// Finishes the target: everything is written to the disk, and an image gets its name.
    pub fn publish(self) -> Result<()> {
        match self {
            Target::Image(image) => image.publish(),
            Target::Device(mut device) => {
                change("sync", &device.path, || device.file.sync_all())?;
                device.is_half_written = false;
                // This fails if the device cannot have partitions. Then there are none for the kernel to find.
                let _none = Program::new("blockdev").arg("--rereadpt").arg(&device.path).run();
                Ok(())
            }
        }
    }
}

/// Whether there is a block device at the location.
pub fn is_device(location: &Path) -> bool {
    std::fs::metadata(location).is_ok_and(|found| found.file_type().is_block_device())
}

/// The size of the device, and of its sectors, bytes.
pub fn size_of_device(path: &Path) -> Result<(u64, u64)> {
    let mut file = File::open(path).or_cannot("open", path)?;
    let size = file.seek(SeekFrom::End(0)).or_cannot("examine", path)?;
    Ok((size, partitions::sector_size(&file, path)?))
}

/// Fails if the device is in use, or if it holds something and `force` is not set.
pub fn check_device(path: &Path, force: bool) -> Result<()> {
    Device::open(path)?;
    let found = Program::new("wipefs")
        .package("util-linux")
        .args(["--no-act", "--noheadings", "--output", "TYPE"])
        .arg(path)
        .run()?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let kinds: Vec<&str> = text.split_whitespace().collect();
    if kinds.is_empty() || force {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} holds something already ({}); set FORCE=yes to overwrite it",
        path.display(),
        kinds.join(", ")
    )))
}

impl Device {
    fn open(path: &Path) -> Result<Self> {
        let exclusive = File::options().read(true).write(true).custom_flags(OFlag::O_EXCL.bits()).open(path);
        match exclusive {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(Error::refused(format!(
                "{} is in use: it, or a partition of it, is mounted or belongs to something else; unmount it first",
                path.display()
            ))),
            outcome => {
                // From here on it is held open without O_EXCL, because making the filesystems needs that.
                drop(outcome.or_cannot("open", path)?);
                let file = File::options().read(true).write(true).open(path).or_cannot("open", path)?;
                Ok(Device { file, path: path.to_owned(), is_half_written: false })
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.is_half_written {
            // The error that stopped the writing is reported; an error of this is not.
            let _cleared = change("clear", &self.path, || self.file.write_all_at(&vec![0; HEAD], 0));
        }
    }
}
