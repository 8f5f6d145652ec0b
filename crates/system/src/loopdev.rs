//! Loop devices that disappear with the process that made them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, OrCannot, Result};
use crate::step;
use crate::sys::loopdev as ioctl;

/// An image attached to a loop device. The kernel detaches it once this is dropped and nothing is mounted from it, even after `kill -9`.
#[derive(Debug)]
pub struct LoopDevice {
    device: OwnedFd,
    path: PathBuf,
}

const CONTROL: &str = "/dev/loop-control";

/// A device that may be about to be detached is looked at so many times, at this interval.
const LOOKS: u32 = 60;
const INTERVAL: Duration = Duration::from_millis(25);

/// The number of tries to attach. Another process may take a free device before this one attaches it.
const TRIES: usize = 64;

impl LoopDevice {
    /// Attaches `size` bytes (0: all) of the image from `offset` on.
    pub fn attach(image: &File, shown: &Path, offset: u64, size: u64, read_only: bool) -> Result<Self> {
        step::here("attach", shown).or_cannot("attach to a loop device", shown)?;
        let control = OpenOptions::new().read(true).write(true).open(CONTROL).or_cannot("open", CONTROL)?;
        for _ in 0..TRIES {
            let number =
                ioctl::free_number(control.as_fd()).or_cannot("find a free loop device with", CONTROL)?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device =
                OpenOptions::new().read(true).write(!read_only).open(&path).or_cannot("open", &path)?;
            match ioctl::configure(device.as_fd(), image.as_fd(), offset, size, read_only) {
                Ok(()) => return Ok(LoopDevice { device: device.into(), path }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error).or_cannot("attach to a loop device", shown),
            }
        }
        Err(Error::refused(format!("no loop device stayed free for {}; try again", shown.display())))
    }

    /// The device's path: `/dev/loop3`.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// The loop device to which this very file is attached already, if any. A second mount of the image would lose data.
///
/// The kernel detaches a device only when nobody has it open, and other programs may look at it just then. So the search is repeated for
/// a moment until it finds nothing.
pub fn holder(image: &File, shown: &Path) -> Result<Option<PathBuf>> {
    for _ in 0..LOOKS {
        if find_holder(image, shown)?.is_none() {
            return Ok(None);
        }
        sleep(INTERVAL);
    }
    find_holder(image, shown)
}

fn find_holder(image: &File, shown: &Path) -> Result<Option<PathBuf>> {
    let wanted = image.metadata().or_cannot("examine", shown)?;
    let block = Path::new("/sys/block");
    let names = std::fs::read_dir(block).or_cannot("list", block)?;
    for name in names.filter_map(Result::ok).map(|entry| entry.file_name()) {
        if !name.as_encoded_bytes().starts_with(b"loop") {
            continue;
        }
        let path = Path::new("/dev").join(&name);
        if is_backed_by(&path, &wanted, shown).or_cannot("examine", &path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_backed_by(device: &Path, wanted: &std::fs::Metadata, image: &Path) -> io::Result<bool> {
    let opened = match File::open(device) {
        Ok(opened) => opened,
        // The device belongs to another container and has no node here, or nothing is attached to it.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENXIO)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let Some((filesystem, inode)) = ioctl::backing_inode(opened.as_fd())? else { return Ok(false) };
    if inode != wanted.ino() {
        return Ok(false);
    }
    // On btrfs `stat` and the loop driver tell different device numbers, so the path decides.
    let name = device.file_name().unwrap_or_default();
    let backing = std::fs::read_to_string(Path::new("/sys/block").join(name).join("loop/backing_file"));
    let same_path = || Some(backing.ok()?.trim_end() == image.canonicalize().ok()?.to_str()?);
    Ok(filesystem == wanted.dev() || same_path().unwrap_or(false))
}
