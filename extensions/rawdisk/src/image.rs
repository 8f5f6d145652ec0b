//! A new image file that has no name until it is complete.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{fsync, linkat};
use system::dir::Dir;
use system::error::{Error, Result, if_exists};
use system::step::change;
use system::undo::{Undo, tidy};
use system::{atomic, lock, umask};

/// An image that is being made. Until it is published it disappears with the process, even after `kill -9`.
///
/// Some filesystems (FUSE, NFS, FAT) have no files without a name. There it has a hidden name beside its place until then, and the next image
/// that is made at this place removes what a killed process has left.
pub struct NewImage {
    file: File,
    dir: Dir,
    place: PathBuf,
    /// The hidden name, as long as it is there.
    temporary: Option<String>,
}

impl NewImage {
    /// A sparse image of `size` bytes, to be published at `place`, which must be free.
    pub fn new(place: &Path, size: u64) -> Result<Self> {
        if place.symlink_metadata().is_ok() {
            return Err(exists(place));
        }
        let dir = Dir::open(directory(place))?;
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let made = change("create", place, || {
            openat(&dir, ".", flags, Mode::from_bits_truncate(umask::for_caller(0o644)))
        });
        let image = match made {
            Ok(file) => NewImage { file: File::from(file), dir, place: place.to_owned(), temporary: None },
            // Kernels that do not know such files say that the directory is one.
            Err(error)
                if matches!(error.os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOSYS)) =>
            {
                NewImage::with_name(dir, place)?
            }
            Err(error) => return Err(error),
        };
        change(format!("make an image of {size} bytes at"), place, || image.file.set_len(size))?;
        Ok(image)
    }

    /// An empty image under the hidden name.
    fn with_name(dir: Dir, place: &Path) -> Result<Self> {
        let name = atomic::temporary_name(&place.file_name().unwrap_or_default().to_string_lossy());
        if let Some(left) = if_exists(dir.file(&name))? {
            lock::refuse_opened(&left, &dir.shown(&name))?;
            dir.remove_file(&name)?;
        }
        let file = dir.create(&name, umask::for_caller(0o644))?;
        Ok(NewImage { file, dir, place: place.to_owned(), temporary: Some(name) })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path at which this process and its children find the image.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    /// Gives the image its name, and waits until the name is on the disk.
    pub fn publish(mut self) -> Result<()> {
        change("sync", &self.place, || self.file.sync_all())?;
        let name = self.place.file_name().unwrap_or_default().to_owned();
        self.give(&name)?;
        let mut undo = Undo::new();
        undo.push(format!("remove {}", self.place.display()), || self.dir.remove_file(&name));
        match change("sync", self.dir.shown(""), || fsync(&self.dir)) {
            // Such a filesystem may not sync directories either.
            Err(error) if is_unknown(&error) => {}
            outcome => outcome?,
        }
        undo.commit();
        Ok(())
    }

    fn give(&mut self, name: &OsStr) -> Result<()> {
        let Some(temporary) = &self.temporary else {
            // The directory is named by its descriptor, because this process has meanwhile left the mount namespace of the path.
            return change("create", &self.place, || {
                linkat(AT_FDCWD, &self.path(), &self.dir, name, AtFlags::AT_SYMLINK_FOLLOW)
            });
        };
        match atomic::rename_no_replace(&self.dir, temporary, &self.dir, name) {
            // Such a filesystem may not know a rename that replaces nothing.
            Err(error) if is_unknown(&error) => {
                if self.dir.has(name)? {
                    return Err(exists(&self.place));
                }
                self.dir.rename(temporary, name)?;
            }
            outcome => outcome?,
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for NewImage {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            tidy(self.dir.remove_file(temporary));
        }
    }
}

/// Whether the filesystem does not know the call.
fn is_unknown(error: &Error) -> bool {
    matches!(error.os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}

fn exists(place: &Path) -> Error {
    Error::refused(format!(
        "{} exists; remove it first, choose another name, or set UPGRADE=yes to add a version to it",
        place.display()
    ))
}

fn directory(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
