//! The one place where what belongs to a file beside its content is read and given, in the order in which nothing undoes another:
//! a change of owner clears set-id bits and capabilities, an ACL changes the mode, and everything changes the times.

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

/// A file to read from or to give to: open, or by its name, which is never followed where it is a link.
#[derive(Debug)]
pub struct Inode<'a> {
    at: At<'a>,
    shown: PathBuf,
}

#[derive(Debug)]
enum At<'a> {
    Open(BorrowedFd<'a>),
    Name {
        dir: BorrowedFd<'a>,
        name: &'a Path,
        /// For the calls that take no directory.
        path: PathBuf,
    },
}

/// What a filesystem, or the lack of privilege, refuses.
#[derive(Debug)]
pub enum Refused<'r> {
    /// The owner and the group.
    Owner(u32, u32),
    /// The attribute of this name.
    Attribute(&'r CStr),
}

impl<'a> Inode<'a> {
    /// A file or directory that is open, with the name under which the user knows it.
    pub fn open(file: BorrowedFd<'a>, shown: impl Into<PathBuf>) -> Self {
        Inode { at: At::Open(file), shown: shown.into() }
    }

    /// The name in the directory; the empty name is the directory itself.
    pub fn named(dir: &'a Dir, name: &'a Path) -> Self {
        if name.as_os_str().is_empty() {
            return Self::open(dir.as_fd(), dir.shown(""));
        }
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd())).join(name);
        Inode { at: At::Name { dir: dir.as_fd(), name, path }, shown: dir.shown(name) }
    }

    /// How messages name it.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// What the kernel knows of it.
    pub fn stat(&self) -> Result<FileStat> {
        match &self.at {
            At::Open(fd) => fstat(fd),
            At::Name { dir, name, .. } => fstatat(dir, *name, AtFlags::AT_SYMLINK_NOFOLLOW),
        }
        .or_cannot("examine", &self.shown)
    }

    /// What belongs to it, as `stat` and its attributes tell. Flags are those of a file that is open; a name has none.
    pub fn metadata(&self, stat: &FileStat) -> Result<Metadata> {
        let flags = if let At::Open(fd) = self.at { flags::of(fd, &self.shown)? } else { Flags::default() };
        Ok(Metadata {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes: self.attributes()?,
            flags,
        })
    }

    /// Gives it owner, mode, attributes and times. What it has already is not set again, and attributes that it is not to have, an
    /// inherited ACL say, are removed. Flags are set by [`Inode::add_flags`], when nothing is left to do in it.
    pub fn give(&self, metadata: &Metadata, times: Times) -> Result<()> {
        self.give_with(metadata, times, &mut |_, error| Err(error))
    }

    /// The same; `refused` decides what an error means that something is refused with.
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
        // A link has no mode.
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

    /// Changes owner and group, and nothing else: set-id bits and capabilities are given back.
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
            At::Open(fd) => fchown(fd, user, group),
            At::Name { dir, name, .. } => fchownat(dir, *name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW),
        })
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_bits_truncate(mode);
        change("change mode of", &self.shown, || match &self.at {
            At::Open(fd) => fchmod(fd, mode),
            At::Name { dir, name, .. } => fchmodat(dir, *name, mode, FchmodatFlags::FollowSymlink),
        })
    }

    /// Sets an attribute.
    pub fn set_attribute(&self, name: &CStr, value: &[u8]) -> Result<()> {
        let flags = XattrFlags::empty();
        change(format!("set attribute {} of", name.to_string_lossy()), &self.shown, || match &self.at {
            At::Open(fd) => fsetxattr(fd, name, value, flags),
            At::Name { path, .. } => lsetxattr(path, name, value, flags),
        })
    }

    fn remove_attribute(&self, name: &CStr) -> Result<()> {
        let removed = change(format!("remove attribute {} of", name.to_string_lossy()), &self.shown, || {
            match &self.at {
                At::Open(fd) => fremovexattr(fd, name),
                At::Name { path, .. } => lremovexattr(path, name),
            }
        });
        match removed {
            Err(_) if is_of_module(name.to_bytes()) => Ok(()),
            outcome => outcome,
        }
    }

    /// Sets its times; a link's own.
    pub fn set_times(&self, times: Times) -> Result<()> {
        let accessed = times.accessed.map_or(TimeSpec::UTIME_OMIT, in_kernel);
        let modified = in_kernel(times.modified);
        change("set times of", &self.shown, || match &self.at {
            At::Open(fd) => futimens(fd, &accessed, &modified),
            At::Name { dir, name, .. } => {
                utimensat(dir, *name, &accessed, &modified, UtimensatFlags::NoFollowSymlink)
            }
        })
    }

    /// Sets flags of a file or directory that is open; tells whether it has them then. Nothing can be changed after some of them.
    pub fn add_flags(&self, flags: Flags) -> Result<bool> {
        match self.at {
            At::Open(fd) => flags::add(flags, fd, &self.shown),
            At::Name { .. } => Ok(flags.is_empty()),
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
            // A filesystem without extended attributes.
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(Errno::RANGE) => {
                many.resize(LONGEST_LIST, 0);
                let length = self.list(&mut many).or_cannot("list attributes of", &self.shown)?;
                &many[..length]
            }
            Err(error) => return Err(error).or_cannot("list attributes of", &self.shown),
        };
        let names = list.split_inclusive(|&byte| byte == 0);
        // How a filesystem stores a file, btrfs.compression say, is no property of the file.
        let wanted = |name: &&CStr| !name.to_bytes().starts_with(b"btrfs.");
        let names = names.filter_map(|name| CStr::from_bytes_with_nul(name).ok()).filter(wanted);
        Ok(names.map(CStr::to_owned).collect())
    }

    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match &self.at {
            At::Open(fd) => flistxattr(fd, into),
            At::Name { path, .. } => llistxattr(path, into),
        }
    }

    /// The value of an attribute; `None` where it has none of this name.
    pub fn attribute(&self, name: &CStr) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; 256];
        loop {
            let got = match &self.at {
                At::Open(fd) => fgetxattr(fd, name, value.as_mut_slice()),
                At::Name { path, .. } => lgetxattr(path, name, value.as_mut_slice()),
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

/// As many bytes of names as the kernel ever gives.
const LONGEST_LIST: usize = 1 << 16;

/// The times of a file, as `stat` tells.
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

/// Whether the attribute belongs to a security module or a filesystem, which gives it to new files and does not let it be removed.
fn is_of_module(name: &[u8]) -> bool {
    let is_other = |prefix: &[u8]| name.starts_with(prefix) && name != CAPABILITY && !is_acl(name);
    is_other(b"security.") || is_other(b"system.")
}

fn c_name(name: &[u8], shown: &Path) -> Result<CString> {
    CString::new(name).map_err(|_| Error::malformed(shown, "an attribute whose name is no name"))
}
