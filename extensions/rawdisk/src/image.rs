//! A new image file that has no name until it is whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use baserock::error::{Error, OrCannot, Result};
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// An image that is being made. Until it is published it goes away with the process, also after `kill -9`.
pub struct NewImage {
    file: File,
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
        let dir = directory(place);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o644)
            .custom_flags(OFlag::O_TMPFILE.bits())
            .open(dir)
            .or_cannot("create an image in", dir)?;
        file.set_len(size).or_cannot(format!("make an image of {size} bytes in"), dir)?;
        Ok(NewImage { file, place: place.to_owned() })
    }

    /// A path under which this process and its children find it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    /// Gives it its name, on the disk.
    pub fn publish(self) -> Result<()> {
        self.file.sync_all().or_cannot("sync", &self.place)?;
        let path = self.path();
        match linkat(AT_FDCWD, &path, AT_FDCWD, &self.place, AtFlags::AT_SYMLINK_FOLLOW) {
            Err(nix::Error::EEXIST) => {
                let error = io::Error::from(io::ErrorKind::AlreadyExists);
                Err(error).or_cannot("publish the image, since somebody has just made", &self.place)
            }
            outcome => outcome.or_cannot("create", &self.place),
        }?;
        let dir = directory(&self.place);
        File::open(dir).and_then(|dir| dir.sync_all()).or_cannot("sync", dir)
    }
}

fn directory(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
