//! A new image file that has no name until it is complete.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{fsync, linkat};
use system::dir::Dir;
use system::error::{Error, Result};
use system::step::change;
use system::undo::Undo;

/// An image that is being made. Until it is published it disappears with the process, even after `kill -9`.
pub struct NewImage {
    file: File,
    dir: Dir,
    place: PathBuf,
}

impl NewImage {
    /// A sparse image of `size` bytes, to be published at `place`, which must be free.
    pub fn new(place: &Path, size: u64) -> Result<Self> {
        if place.symlink_metadata().is_ok() {
            return Err(Error::refused(format!(
                "{} exists; remove it first, choose another name, or set UPGRADE=yes to add a version to it",
                place.display()
            )));
        }
        let dir = Dir::open(directory(place))?;
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = change("create", place, || openat(&dir, ".", flags, Mode::from_bits_truncate(0o644)))?;
        let file = File::from(file);
        change(format!("make an image of {size} bytes at"), place, || file.set_len(size))?;
        Ok(NewImage { file, dir, place: place.to_owned() })
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
    pub fn publish(self) -> Result<()> {
        change("sync", &self.place, || self.file.sync_all())?;
        let name = self.place.file_name().unwrap_or_default();
        // The directory is named by its descriptor, because this process has meanwhile left the mount namespace of the path.
        change("create", &self.place, || {
            linkat(AT_FDCWD, &self.path(), &self.dir, name, AtFlags::AT_SYMLINK_FOLLOW)
        })?;
        let mut undo = Undo::new();
        undo.push(format!("remove {}", self.place.display()), || self.dir.remove_file(name));
        change("sync", self.dir.shown(""), || fsync(&self.dir))?;
        undo.commit();
        Ok(())
    }
}

fn directory(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
