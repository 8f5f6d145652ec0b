//! Reads and sets the metadata of files. This is the one place that does so, because the order matters: a change of owner clears set-id
//! bits and capabilities, an ACL changes the mode, and every step changes the times.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmod, fchmodat, fstat, futimens};
use nix::sys::stat::{fstatat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::fs::{lgetxattr, llistxattr, lremovexattr, lsetxattr};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::flags;
use crate::metadata::{Attributes, CAPABILITY, Flags, Metadata, Time, Times, is_acl};
use crate::step::change;

/// A file of any type, either open or by its name. A link is never followed.
#[derive(Debug)]
pub struct Inode<'a> {
    at: Handle<'a>,
    shown: PathBuf,
}

#[derive(Debug)]
enum Handle<'a> {
    Open(BorrowedFd<'a>),
    Name {
        dir: BorrowedFd<'a>,
        name: &'a Path,
        /// The path for the calls that take no directory.
        path: PathBuf,
    },
}

/// The metadata that the kernel refused to set: the filesystem cannot keep it, or the process may not set it.
#[derive(Debug)]
pub enum Refused<'r> {
    /// The owner and the group.
    Owner(u32, u32),
    /// The attribute of this name.
    Attribute(&'r CStr),
}

impl<'a> Inode<'a> {
    /// An open file or directory, with the name under which the user knows it.
    pub fn open(file: BorrowedFd<'a>, shown: impl Into<PathBuf>) -> Self {
        Inode { at: Handle::Open(file), shown: shown.into() }
    }

    /// The file `name` in the directory. An empty name is the directory itself.
    pub fn named(dir: &'a Dir, name: &'a Path) -> Self {
        if name.as_os_str().is_empty() {
            return Self::open(dir.as_fd(), dir.shown(""));
        }
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd())).join(name);
        Inode { at: Handle::Name { dir: dir.as_fd(), name, path }, shown: dir.shown(name) }
    }

    /// The name for messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The `stat` of the file.
    pub fn stat(&self) -> Result<FileStat> {
        match &self.at {
            Handle::Open(fd) => fstat(fd),
            Handle::Name { dir, name, .. } => fstatat(dir, *name, AtFlags::AT_SYMLINK_NOFOLLOW),
        }
        .or_cannot("examine", &self.shown)
    }

    /// The metadata of the file. The flags are read only if the file is open.
    pub fn metadata(&self, stat: &FileStat) -> Result<Metadata> {
        let flags =
            if let Handle::Open(fd) = self.at { flags::of(fd, &self.shown)? } else { Flags::default() };
        Ok(Metadata {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes: self.attributes()?,
            flags,
        })
    }

    /// Sets owner, mode, attributes and times. The owner and the mode are not set again if they are right already. Other attributes, an
    /// inherited ACL for example, are removed. Flags are set last, by [`Inode::add_flags`].
    pub fn give(&self, metadata: &Metadata, times: Times) -> Result<()> {
        self.give_with(metadata, times, &mut |_, error| Err(error))
    }

    /// Like [`Inode::give`], but an error about the owner or an attribute goes to `refused`, which decides whether it counts.
    pub fn give_with(
        &self,
        metadata: &Metadata,
        times: Times,
        refused: &mut dyn FnMut(Refused<'_>, Error) -> Result<()>,
    ) -> Result<()> {
        let found = self.stat()?;
        let (uid, gid) = (metadata.uid, metadata.gid);
        let is_owned = (found.st_uid, found.st_gid) == (uid, gid);
        if !is_owned && let Err(error) = self.set_owner(uid, gid) {
            refused(Refused::Owner(uid, gid), error)?;
        }
        for name in self.attribute_names()? {
            if !metadata.attributes.contains_key(name.to_bytes()) {
                self.remove_attribute(&name)?;
            }
        }
        let has_mode = is_owned && found.st_mode & 0o7777 == metadata.mode;
        // The mode of a link cannot be set.
        if !has_mode && found.st_mode & libc::S_IFMT != libc::S_IFLNK {
            self.set_mode(metadata.mode)?;
        }
        for (name, value) in &metadata.attributes {
            let name = c_name(name, &self.shown)?;
            if let Err(error) = self.set_attribute(&name, value) {
                refused(Refused::Attribute(&name), error)?;
            }
        }
        self.set_times(times)
    }

    /// Changes only owner and group. The kernel clears set-id bits and capabilities then, so this sets them again.
    pub fn change_owner(&self, uid: u32, gid: u32) -> Result<()> {
        let stat = self.stat()?;
        let is_link = stat.st_mode & libc::S_IFMT == libc::S_IFLNK;
        let capability = if is_link { None } else { self.attribute(&c_name(CAPABILITY, &self.shown)?)? };
        self.set_owner(uid, gid)?;
        if !is_link && stat.st_mode & 0o6000 != 0 {
            self.set_mode(stat.st_mode & 0o7777)?;
        }
        match capability {
            Some(value) => self.set_attribute(&c_name(CAPABILITY, &self.shown)?, &value),
            None => Ok(()),
        }
    }

    fn set_owner(&self, uid: u32, gid: u32) -> Result<()> {
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        change("change owner of", &self.shown, || match &self.at {
            Handle::Open(fd) => fchown(fd, user, group),
            Handle::Name { dir, name, .. } => fchownat(dir, *name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW),
        })
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_bits_truncate(mode);
        change("change mode of", &self.shown, || match &self.at {
            Handle::Open(fd) => fchmod(fd, mode),
            Handle::Name { dir, name, .. } => fchmodat(dir, *name, mode, FchmodatFlags::FollowSymlink),
        })
    }

    /// Sets an attribute.
    pub fn set_attribute(&self, name: &CStr, value: &[u8]) -> Result<()> {
        let flags = XattrFlags::empty();
        change(format!("set attribute {} of", name.to_string_lossy()), &self.shown, || match &self.at {
            Handle::Open(fd) => fsetxattr(fd, name, value, flags),
            Handle::Name { path, .. } => lsetxattr(path, name, value, flags),
        })
    }

    fn remove_attribute(&self, name: &CStr) -> Result<()> {
        let removed = change(format!("remove attribute {} of", name.to_string_lossy()), &self.shown, || {
            match &self.at {
                Handle::Open(fd) => fremovexattr(fd, name),
                Handle::Name { path, .. } => lremovexattr(path, name),
            }
        });
        match removed {
            Err(_) if is_of_module(name.to_bytes()) => Ok(()),
            outcome => outcome,
        }
    }

    /// Sets the times. A link is not followed.
    pub fn set_times(&self, times: Times) -> Result<()> {
        let accessed = times.accessed.map_or(TimeSpec::UTIME_OMIT, in_kernel);
        let modified = in_kernel(times.modified);
        change("set times of", &self.shown, || match &self.at {
            Handle::Open(fd) => futimens(fd, &accessed, &modified),
            Handle::Name { dir, name, .. } => {
                utimensat(dir, *name, &accessed, &modified, UtimensatFlags::NoFollowSymlink)
            }
        })
    }

    /// Adds flags to an open file or directory. Returns whether it has them now. After some flags nothing can be changed any more.
    pub fn add_flags(&self, flags: Flags) -> Result<bool> {
        match self.at {
            Handle::Open(fd) => flags::add(flags, fd, &self.shown),
            Handle::Name { .. } => Ok(flags.is_empty()),
        }
    }

    /// All its attributes.
    pub fn attributes(&self) -> Result<Attributes> {
        let mut found = Attributes::new();
        for name in self.attribute_names()? {
            if let Some(value) = self.attribute(&name)? {
                found.insert(name.into_bytes(), value);
            }
        }
        Ok(found)
    }

    /// The names of its attributes.
    pub fn attribute_names(&self) -> Result<Vec<CString>> {
        let (mut few, mut many) = ([0; 1024], Vec::new());
        let list = match self.list(&mut few) {
            Ok(length) => &few[..length],
            // The filesystem has no extended attributes.
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(Errno::RANGE) => {
                many.resize(LONGEST_LIST, 0);
                let length = self.list(&mut many).or_cannot("list attributes of", &self.shown)?;
                &many[..length]
            }
            Err(error) => return Err(error).or_cannot("list attributes of", &self.shown),
        };
        let names = list.split_inclusive(|&byte| byte == 0);
        // Attributes such as btrfs.compression tell how a filesystem stores the file. They are not the file's metadata.
        let wanted = |name: &&CStr| !name.to_bytes().starts_with(b"btrfs.");
        let names = names.filter_map(|name| CStr::from_bytes_with_nul(name).ok()).filter(wanted);
        Ok(names.map(CStr::to_owned).collect())
    }

    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match &self.at {
            Handle::Open(fd) => flistxattr(fd, into),
            Handle::Name { path, .. } => llistxattr(path, into),
        }
    }

    /// The value of an attribute, or `None` if there is none of this name.
    pub fn attribute(&self, name: &CStr) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; 256];
        loop {
            let got = match &self.at {
                Handle::Open(fd) => fgetxattr(fd, name, value.as_mut_slice()),
                Handle::Name { path, .. } => lgetxattr(path, name, value.as_mut_slice()),
            };
            match got {
                Ok(length) => {
                    value.truncate(length);
                    return Ok(Some(value));
                }
                Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
                Err(Errno::RANGE) => value.resize(value.len() * 4, 0),
                Err(error) => {
                    let action = format!("read attribute {} of", name.to_string_lossy());
                    return Err(io::Error::from(error)).or_cannot(action, &self.shown);
                }
            }
        }
    }
}

/// The kernel's limit for a list of attribute names, in bytes.
const LONGEST_LIST: usize = 1 << 16;

/// Whether it is the `stat` of a directory.
pub fn is_directory(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// Whether it is the `stat` of a symbolic link.
pub fn is_link(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFLNK
}

/// The times in a `stat`.
pub fn times(stat: &FileStat) -> Times {
    let time =
        |seconds, nanoseconds: i64| Time { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) };
    Times {
        accessed: Some(time(stat.st_atime, stat.st_atime_nsec)),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn in_kernel(time: Time) -> TimeSpec {
    TimeSpec::new(time.seconds, time.nanoseconds.into())
}

/// Whether the attribute belongs to a security module or a filesystem. These set it on new files and may forbid its removal.
fn is_of_module(name: &[u8]) -> bool {
    let is_other = |prefix: &[u8]| name.starts_with(prefix) && name != CAPABILITY && !is_acl(name);
    is_other(b"security.") || is_other(b"system.")
}

fn c_name(name: &[u8], shown: &Path) -> Result<CString> {
    CString::new(name).map_err(|_| Error::malformed(shown, "an attribute whose name is no name"))
}
