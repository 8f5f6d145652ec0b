//! Reads and sets the flags of `chattr`, and clears those that prevent a removal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::dir::Dir;
use crate::error::{OrCannot, Result};
use crate::metadata::Flags;
use crate::step::change;
use crate::sys;

/// The flags of an open file or directory. None is set if the filesystem has no flags.
pub fn of(file: BorrowedFd<'_>, shown: &Path) -> Result<Flags> {
    Ok(read(file, shown)?.map_or_else(Flags::default, Flags::new))
}

/// All flag bits, or `None` if the filesystem has no flags.
fn read(file: BorrowedFd<'_>, shown: &Path) -> Result<Option<u32>> {
    match sys::fs::file_flags(file) {
        Ok(flags) => Ok(Some(flags)),
        Err(error) if is_unsupported(error.raw_os_error()) => Ok(None),
        Err(error) => Err(error).or_cannot("read the flags of", shown),
    }
}

fn is_unsupported(error: Option<i32>) -> bool {
    matches!(error, Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL))
}

/// Adds flags to those of the open file. Returns whether the file has them now: some filesystems cannot keep them.
pub fn add(flags: Flags, file: BorrowedFd<'_>, shown: &Path) -> Result<bool> {
    if flags.is_empty() {
        return Ok(true);
    }
    let Some(there) = read(file, shown)? else { return Ok(false) };
    let wanted = there | flags.bits();
    match change("set the flags of", shown, || sys::fs::set_file_flags(file, wanted)) {
        // In a user namespace not even root may set them.
        Err(error) if is_unsupported(error.os_error()) || error.os_error() == Some(libc::EPERM) => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// Clears the flags that forbid to change or remove `name` in `dir`. An empty name is the directory itself. Returns whether such a flag
/// was set.
pub fn release(dir: &Dir, name: &Path) -> Result<bool> {
    if name.as_os_str().is_empty() {
        return release_open(dir.as_fd(), &dir.shown(""));
    }
    let Some(stat) = dir.stat_of(name)? else { return Ok(false) };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => release_open(dir.dir(name)?.as_fd(), &dir.shown(name)),
        libc::S_IFREG => release_open(dir.file(name)?.as_fd(), &dir.shown(name)),
        // The flags of other types cannot be reached without opening the file.
        _ => Ok(false),
    }
}

fn release_open(file: BorrowedFd<'_>, shown: &Path) -> Result<bool> {
    let fixed = |flags: &u32| flags & Flags::FIXED != 0;
    let Some(flags) = read(file, shown)?.filter(fixed) else { return Ok(false) };
    let clear = || -> io::Result<()> { sys::fs::set_file_flags(file, flags & !Flags::FIXED) };
    change("clear the flags of", shown, clear)?;
    Ok(true)
}
