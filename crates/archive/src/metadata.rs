//! Sets the metadata of a file: owner, mode, attributes, times, in an order in which none undoes another.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use system::error::{Error, OrCannot, Result};

use crate::member::Metadata;
use crate::pax::Time;

/// The owners of the new files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// As the archive says.
    AsArchived,
    /// All files belong to the user who unpacks, because no other id is available.
    Mine,
}

/// A file whose metadata is set, with its name for messages.
pub struct Target<'a> {
    /// The way to reach it.
    pub at: At<'a>,
    /// Its name for messages.
    pub shown: PathBuf,
}

/// The way to reach a file.
pub enum At<'a> {
    /// It is open.
    Open(BorrowedFd<'a>),
    /// It has this name in an open directory. A link is not followed.
    Name {
        /// The directory.
        dir: BorrowedFd<'a>,
        /// The name in it.
        name: &'a Path,
        /// Whether it is a symbolic link, which has no mode of its own.
        link: bool,
    },
}

/// Applies metadata, and counts what could not be applied.
pub struct Applier {
    owners: Owners,
    /// Attributes that the filesystem or a lack of privilege did not allow, by name, with the number of files.
    pub refused: BTreeMap<String, u64>,
}

impl Applier {
    /// An applier that has not refused anything yet.
    pub fn new(owners: Owners) -> Self {
        Applier { owners, refused: BTreeMap::new() }
    }

    /// Sets all metadata of the file. `acls` are values of attributes.
    pub fn apply(
        &mut self,
        target: &Target<'_>,
        metadata: &Metadata,
        acls: &[(&str, Vec<u8>)],
    ) -> Result<()> {
        if self.owners == Owners::AsArchived {
            own(target, metadata.uid, metadata.gid)?;
        }
        // The mode comes after the owner, because a change of owner clears the set-id bits.
        set_mode(target, metadata.mode)?;
        for (name, value) in &metadata.attributes {
            self.attribute(target, name, value)?;
        }
        for (name, value) in acls {
            self.attribute(target, name, value)?;
        }
        set_time(target, metadata.mtime)
    }

    /// Sets an attribute. An attribute that cannot exist here is counted; any other failure is an error.
    pub fn attribute(&mut self, target: &Target<'_>, name: &str, value: &[u8]) -> Result<()> {
        match target.set_attribute(name, value) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP) => self.count(name),
            // In a user namespace some attributes belong to the host's root, and some ids do not exist.
            Err(Errno::PERM | Errno::INVAL) if self.owners == Owners::Mine || is_privileged_name(name) => {
                self.count(name);
            }
            Err(error) => return Err(error).or_cannot(format!("set attribute {name} of"), &target.shown),
        }
        Ok(())
    }

    fn count(&mut self, name: &str) {
        *self.refused.entry(name.to_owned()).or_default() += 1;
    }
}

fn is_privileged_name(name: &str) -> bool {
    name.starts_with("trusted.") || (name.starts_with("security.") && name != "security.capability")
}

impl Target<'_> {
    fn set_attribute(&self, name: &str, value: &[u8]) -> Result<(), Errno> {
        let flags = XattrFlags::empty();
        match self.at {
            At::Open(fd) => rustix::fs::fsetxattr(fd, name, value, flags),
            At::Name { dir, name: file, .. } => {
                rustix::fs::lsetxattr(below(dir, file)?.as_c_str(), name, value, flags)
            }
        }
    }
}

/// A path to `name` in an open directory, for calls that take only paths.
fn below(dir: BorrowedFd<'_>, name: &Path) -> Result<CString, Errno> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_os_str().as_bytes());
    CString::new(path).map_err(|_| Errno::INVAL)
}

fn own(target: &Target<'_>, uid: u32, gid: u32) -> Result<()> {
    let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    let owned = match target.at {
        At::Open(fd) => fchown(fd, user, group),
        At::Name { dir, name, .. } => fchownat(dir, name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW),
    };
    match owned {
        Err(nix::Error::EINVAL) => Err(Error::refused(format!(
            "cannot give {} to {uid}:{gid}: the range of ids in /etc/subuid and /etc/subgid is too small; it has to reach {}",
            target.shown.display(),
            uid.max(gid)
        ))),
        other => other.or_cannot(format!("give to {uid}:{gid}"), &target.shown),
    }
}

fn set_mode(target: &Target<'_>, mode: u32) -> Result<()> {
    let mode = Mode::from_bits_truncate(mode);
    match target.at {
        At::Open(fd) => fchmod(fd, mode),
        // These are devices and FIFOs. They were made just now in a tree that no other user can reach, so following is safe.
        At::Name { dir, name, link: false } => fchmodat(dir, name, mode, FchmodatFlags::FollowSymlink),
        At::Name { .. } => Ok(()),
    }
    .or_cannot("set the mode of", &target.shown)
}

fn set_time(target: &Target<'_>, time: Time) -> Result<()> {
    let (accessed, changed) = (TimeSpec::UTIME_OMIT, TimeSpec::new(time.seconds, time.nanoseconds));
    match target.at {
        At::Open(fd) => futimens(fd.as_fd(), &accessed, &changed),
        At::Name { dir, name, .. } => {
            utimensat(dir, name, &accessed, &changed, UtimensatFlags::NoFollowSymlink)
        }
    }
    .or_cannot("set the time of", &target.shown)
}
