//! Reads and sets the flags of `chattr`, and clears those that prevent a removal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};

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

/// Whether a flag of the directory forbids to add names to it and to move them in it.
pub fn is_fixed_by_flag(dir: &Dir) -> Result<bool> {
    Ok(of(dir.as_fd(), &dir.shown(""))?.bits() & Flags::FIXED != 0)
}

/// Whether names cannot be added to the directory and moved in it: a flag forbids that, or its subvolume or filesystem is read-only.
pub fn is_fixed(dir: &Dir) -> Result<bool> {
    if is_fixed_by_flag(dir)? {
        return Ok(true);
    }
    match faccessat(dir, ".", AccessFlags::W_OK, AtFlags::empty()) {
        Ok(()) => Ok(false),
        Err(Errno::EROFS | Errno::EPERM | Errno::EACCES) => Ok(true),
        Err(error) => Err(error).or_cannot("examine", dir.shown("")),
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
    match set(file, shown, wanted) {
        // In a user namespace not even root may set them.
        Err(error) if is_unsupported(error.os_error()) || error.os_error() == Some(libc::EPERM) => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// Like [`add`], for `name` in `dir`. An empty name is the directory itself. Types other than files and directories have no flags.
pub fn add_to(dir: &Dir, name: &Path, flags: Flags) -> Result<bool> {
    match open(dir, name)? {
        Some(file) => add(flags, file.as_fd(), &dir.shown(name)),
        None => Ok(true),
    }
}

/// A file or directory whose flags that forbid changes are cleared for a while.
#[derive(Debug)]
pub struct Lifted {
    file: OwnedFd,
    flags: u32,
    shown: PathBuf,
}

/// Clears the flags that forbid to change, rename or remove `name` in `dir`. An empty name is the directory itself. Returns `None` if no
/// such flag was set.
pub fn lift(dir: &Dir, name: &Path) -> Result<Option<Lifted>> {
    let Some(file) = open(dir, name)? else { return Ok(None) };
    let shown = dir.shown(name);
    let Some(flags) = read(file.as_fd(), &shown)?.filter(|flags| flags & Flags::FIXED != 0) else {
        return Ok(None);
    };
    set(file.as_fd(), &shown, flags & !Flags::FIXED)?;
    Ok(Some(Lifted { file, flags, shown }))
}

impl Lifted {
    /// Sets the flags again, wherever the file is now, unless it was removed.
    pub fn put_back(self) -> Result<()> {
        let stat = fstat(&self.file).or_cannot("examine", &self.shown)?;
        if stat.st_nlink == 0 { Ok(()) } else { set(self.file.as_fd(), &self.shown, self.flags) }
    }
}

/// Calls `action` while the names in `dir` have no flags that forbid to change, rename or remove them. A name may be missing.
pub fn while_lifted<T>(dir: &Dir, names: &[&Path], action: impl FnOnce() -> Result<T>) -> Result<T> {
    let lifted = names.iter().map(|name| lift(dir, name)).collect::<Result<Vec<_>>>()?;
    let outcome = action();
    let put_back = lifted.into_iter().flatten().try_for_each(Lifted::put_back);
    outcome.and_then(|value| put_back.map(|()| value))
}

/// Clears all flags of `name` in `dir` that belong to the file itself ([`Flags`]). An empty name is the directory itself.
pub fn clear(dir: &Dir, name: &Path) -> Result<()> {
    let Some(file) = open(dir, name)? else { return Ok(()) };
    let shown = dir.shown(name);
    match read(file.as_fd(), &shown)? {
        Some(flags) if !Flags::new(flags).is_empty() => {
            set(file.as_fd(), &shown, flags & !Flags::new(flags).bits())
        }
        _ => Ok(()),
    }
}

/// Opens a file or directory. The flags of other types cannot be reached without opening the device or FIFO itself.
fn open(dir: &Dir, name: &Path) -> Result<Option<OwnedFd>> {
    if name.as_os_str().is_empty() {
        return dir.duplicate().map(|dir| Some(dir.into()));
    }
    let Some(stat) = dir.stat_of(name)? else { return Ok(None) };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => dir.dir(name).map(|dir| Some(dir.into())),
        libc::S_IFREG => dir.file(name).map(|file| Some(file.into())),
        _ => Ok(None),
    }
}

fn set(file: BorrowedFd<'_>, shown: &Path, flags: u32) -> Result<()> {
    change("set the flags of", shown, || -> io::Result<()> { sys::fs::set_file_flags(file, flags) })
}
