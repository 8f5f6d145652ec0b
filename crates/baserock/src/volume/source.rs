//! Opens the image or device that holds a volume, also if it cannot be written.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use system::error::{Error, OrCannot, Result};
use system::sys::block;

use super::{Opening, Purpose};

/// An open image or device.
#[derive(Debug)]
pub(super) struct Source {
    /// It.
    pub file: File,
    /// Whether it can only be looked at.
    pub is_read_only: bool,
}

/// Opens it for writing. If it is read-only, it is opened for reading to look at it, and refused for anything else.
pub(super) fn open(path: &Path, shown: &Path, opening: &Opening) -> Result<Source> {
    let found = std::fs::metadata(path).or_cannot("open", shown)?;
    let opened = if is_marked(&found) {
        Err(format!("its mode is {:o}", found.permissions().mode() & 0o7777))
    } else {
        match File::options().read(true).write(true).open(path) {
            Err(error) if is_read_only(&error) => Err(Error::reason_of(&error)),
            Ok(file) if found.file_type().is_block_device() && is_protected(&file, shown)? => {
                Err("the device is write-protected".to_owned())
            }
            outcome => Ok(outcome.or_cannot("open", shown)?),
        }
    };
    match opened {
        Ok(file) => Ok(Source { file, is_read_only: false }),
        Err(_) if opening.purpose == Purpose::Look => {
            Ok(Source { file: File::open(path).or_cannot("open", shown)?, is_read_only: true })
        }
        Err(reason) => Err(Error::refused(format!(
            "{} is read-only ({reason}), so it cannot be changed",
            shown.display()
        ))),
    }
}

/// Whether nobody may write to the image. Root could, but somebody has taken care that nobody does.
fn is_marked(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o222 == 0
}

/// Whether the kernel writes nothing to the device, although it may have opened it for writing.
fn is_protected(device: &File, shown: &Path) -> Result<bool> {
    block::is_read_only(device.as_fd()).or_cannot("examine", shown)
}

/// Whether the kernel means that nothing can be written: the filesystem is mounted read-only, or the image is immutable.
fn is_read_only(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EROFS | libc::EPERM | libc::EACCES))
}
