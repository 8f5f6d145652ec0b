//! Loop devices that disappear with the process that made them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::stat::makedev;

use crate::error::{Error, OrCannot, Result, if_exists};
use crate::mount::{self, MountId};
use crate::partitions;
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
    /// Attaches `size` bytes (0: all) of the image from `offset` on. A part of a device has the sectors of the device.
    pub fn attach(image: &File, shown: &Path, offset: u64, size: u64, read_only: bool) -> Result<Self> {
        step::here("attach", shown).or_cannot("attach to a loop device", shown)?;
        let control = OpenOptions::new().read(true).write(true).open(CONTROL).or_cannot("open", CONTROL)?;
        let part = ioctl::Part { offset, size, sector: partitions::sector_size(image, shown)? };
        for _ in 0..TRIES {
            let number =
                ioctl::free_number(control.as_fd()).or_cannot("find a free loop device with", CONTROL)?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device =
                OpenOptions::new().read(true).write(!read_only).open(&path).or_cannot("open", &path)?;
            match ioctl::configure(device.as_fd(), image.as_fd(), part, read_only) {
                Ok(()) => return Ok(LoopDevice { device: device.into(), path }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error).or_cannot("attach to a loop device", shown),
            }
        }
        Err(Error::refused(format!("no loop device stayed free for {}; try again", shown.display())))
    }

    /// Reads and writes the image without the kernel's cache of it, if the image's filesystem can do that. This is faster for an image that is
    /// written once: its content is not copied twice, and the disk begins to write at once.
    pub fn direct(self) -> Result<Self> {
        match ioctl::set_direct(self.device.as_fd()) {
            Err(error) if error.raw_os_error() != Some(libc::EINVAL) => {
                Err(error).or_cannot("set up", &self.path)
            }
            _ => Ok(self),
        }
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
    for name in names()? {
        let path = Path::new("/dev").join(&name);
        let device = match File::open(&path) {
            Ok(device) => device,
            // The device belongs to another container and has no node here, or nothing is attached to it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENXIO)) => continue,
            Err(error) => return Err(error).or_cannot("examine", &path),
        };
        let backing = ioctl::backing_inode(device.as_fd()).or_cannot("examine", &path)?;
        let Some((filesystem, inode)) = backing.filter(|(_, inode)| *inode == wanted.ino()) else { continue };
        // On btrfs `stat` and the loop driver tell different device numbers.
        if (filesystem, inode) == (wanted.dev(), wanted.ino())
            || is_backed_by(&name, filesystem, image, shown)?
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The names of the loop devices. Build chroots often have no `/sys`.
fn names() -> Result<Vec<OsString>> {
    let (kernel, nodes) = (Path::new("/sys/block"), Path::new("/dev"));
    let names = match if_exists(std::fs::read_dir(kernel).or_cannot("list", kernel))? {
        Some(names) => names,
        None => std::fs::read_dir(nodes).or_cannot("list", nodes)?,
    };
    let names = names.filter_map(std::result::Result::ok).map(|entry| entry.file_name());
    let number = |name: &OsString| name.as_encoded_bytes().strip_prefix(b"loop").map(<[u8]>::to_owned);
    Ok(names
        .filter(|name| {
            number(name).is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
        })
        .collect())
}

/// Whether the file behind the loop device of this name is the image, which has the same inode number. `filesystem` is the device number that
/// the loop driver tells.
fn is_backed_by(name: &OsStr, filesystem: u64, image: &File, shown: &Path) -> Result<bool> {
    let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
    if let Some(path) = if_exists(std::fs::read_to_string(&backing).or_cannot("read", &backing))? {
        return Ok(shown.canonicalize().is_ok_and(|own| own.to_str() == Some(path.trim_end())));
    }
    let id = mount::id(image.as_fd(), shown)?;
    let own = mount::own()?.into_iter().find(|mount| MountId(mount.id) == id);
    let device = own.and_then(|mount| {
        let (major, minor) = mount.device.split_once(':')?;
        Some(makedev(major.parse().ok()?, minor.parse().ok()?))
    });
    Ok(device == Some(filesystem))
}
