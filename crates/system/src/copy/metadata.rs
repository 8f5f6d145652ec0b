//! Owners, modes, xattrs (ACLs and capabilities are xattrs) and times, in the order in which none undoes another.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};

use crate::dir::Dir;
use crate::error::{OrCannot, Result};
use crate::step::change;

/// Where numbers of users and groups have moved: what is not in here keeps its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// From the source's user numbers to the copy's.
    pub users: BTreeMap<u32, u32>,
    /// From the source's group numbers to the copy's.
    pub groups: BTreeMap<u32, u32>,
}

impl Owners {
    /// The owner and group that a copy gets.
    pub fn of(&self, uid: u32, gid: u32) -> (u32, u32) {
        (self.users.get(&uid).copied().unwrap_or(uid), self.groups.get(&gid).copied().unwrap_or(gid))
    }

    /// Whether nothing has moved.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// Gives `to_name` in `to` the metadata `stat` and the xattrs of `name` in `from`; an empty name is the directory itself. A link
/// gets its own, not its target's.
pub fn copy_metadata(
    (from, name): (&Dir, &Path),
    stat: &FileStat,
    (to, to_name): (&Dir, &Path),
    owners: &Owners,
) -> Result<()> {
    let (target, shown) = (proc_path(to, to_name), to.shown(to_name));
    let (uid, gid) = owners.of(stat.st_uid, stat.st_gid);
    let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    change("change owner of", &shown, || {
        fchownat(AT_FDCWD, &target, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)
    })?;
    // A change of owner clears set-id bits, so the mode comes after it; and it clears capabilities, so xattrs do too.
    if stat.st_mode & libc::S_IFMT != libc::S_IFLNK {
        let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
        change("change mode of", &shown, || fchmodat(AT_FDCWD, &target, mode, FchmodatFlags::FollowSymlink))?;
    }
    copy_xattrs(&proc_path(from, name), &from.shown(name), &target, &shown)?;
    set_times(to, to_name, stat)
}

/// Gives `name` in `dir` (empty: the directory itself) the times of `stat`.
pub fn set_times(dir: &Dir, name: &Path, stat: &FileStat) -> Result<()> {
    let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
    let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    change("set times of", dir.shown(name), || {
        utimensat(AT_FDCWD, &proc_path(dir, name), &accessed, &modified, UtimensatFlags::NoFollowSymlink)
    })
}

/// Copies all extended attributes, of links themselves where the paths name links.
fn copy_xattrs(source: &Path, source_shown: &Path, target: &Path, shown: &Path) -> Result<()> {
    for name in xattr_names(source, source_shown)? {
        let value = xattr(source, &name, source_shown)?;
        change(format!("set attribute {} of", name.to_string_lossy()), shown, || {
            lsetxattr(target, name.as_c_str(), &value, XattrFlags::empty())
        })?;
    }
    Ok(())
}

/// As many bytes of names as the kernel ever gives.
const LONGEST_LIST: usize = 1 << 16;

/// The names of all extended attributes, of a link itself where the path names one.
pub fn xattr_names(path: &Path, shown: &Path) -> Result<Vec<CString>> {
    let (mut few, mut many) = ([0; 1024], Vec::new());
    let list = match llistxattr(path, &mut few) {
        Ok(length) => &few[..length],
        // A filesystem without extended attributes.
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(rustix::io::Errno::RANGE) => {
            many.resize(LONGEST_LIST, 0);
            let length = llistxattr(path, many.as_mut_slice()).or_cannot("list attributes of", shown)?;
            &many[..length]
        }
        Err(error) => return Err(error).or_cannot("list attributes of", shown),
    };
    let names = list.split_inclusive(|&byte| byte == 0);
    // How a filesystem stores a file, btrfs.compression say, is no property of the file.
    let wanted = |name: &&CStr| !name.to_bytes().starts_with(b"btrfs.");
    Ok(names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .filter(wanted)
        .map(CStr::to_owned)
        .collect())
}

/// The value of one extended attribute.
pub fn xattr(path: &Path, name: &CStr, shown: &Path) -> Result<Vec<u8>> {
    let mut value = vec![0; 4096];
    loop {
        match lgetxattr(path, name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(rustix::io::Errno::RANGE) => value.resize(value.len() * 4, 0),
            Err(error) => {
                return Err(error).or_cannot(format!("read attribute {} of", name.to_string_lossy()), shown);
            }
        }
    }
}

/// A path for the calls that take no directory descriptor.
fn proc_path(dir: &Dir, name: &Path) -> PathBuf {
    let dir = dir.proc_path();
    if name.as_os_str().is_empty() { dir.join(".") } else { dir.join(name) }
}
