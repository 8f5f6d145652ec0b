//! Reads the metadata of a file, and applies it to another.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, UtimensatFlags, fchmodat, fstatat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use rustix::fs::{XattrFlags, lremovexattr, lsetxattr};
use system::copy::{xattr, xattr_names};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::step::change;

use crate::entry::{Attribute, Metadata};

/// Reads the metadata of `name` in `dir` (empty: the directory itself). Symbolic links are not followed.
pub fn read(dir: &Dir, name: &Path, stat: &FileStat) -> Result<Metadata> {
    let shown = dir.shown(name);
    let out_of_range = |_| Error::refused(format!("{} has a time that cannot be kept", shown.display()));
    Ok(Metadata {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).map_err(out_of_range)?,
        attributes: attributes(&proc_path(dir, name), &shown)?,
    })
}

/// Applies the metadata to `name` in `dir` (empty: the directory itself), in an order in which no part undoes another. An owner and a mode
/// that are right already are not set again. Attributes that the metadata does not have are removed.
pub fn apply(dir: &Dir, name: &Path, metadata: &Metadata, is_link: bool) -> Result<()> {
    let shown = dir.shown(name);
    let own = own_name(name);
    let found = fstatat(dir, own, AtFlags::AT_SYMLINK_NOFOLLOW).or_cannot("examine", &shown)?;
    let is_owned = (found.st_uid, found.st_gid) == (metadata.uid, metadata.gid);
    if !is_owned {
        let (user, group) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
        change("change owner of", &shown, || {
            fchownat(dir, own, Some(user), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW)
        })?;
    }
    // A change of owner clears set-id bits and capabilities, so mode and attributes come after it.
    let has_mode = is_owned && found.st_mode & 0o7777 == metadata.mode;
    if !is_link && !has_mode {
        let mode = Mode::from_bits_truncate(metadata.mode);
        change("change mode of", &shown, || fchmodat(dir, own, mode, FchmodatFlags::FollowSymlink))?;
    }
    apply_attributes(&proc_path(dir, name), &shown, &metadata.attributes)?;
    set_time(dir, name, metadata)
}

/// Sets only the time of last modification. A directory needs that after changes of its entries.
pub fn set_time(dir: &Dir, name: &Path, metadata: &Metadata) -> Result<()> {
    let modified = TimeSpec::new(metadata.seconds, metadata.nanoseconds.into());
    change("set times of", dir.shown(name), || {
        utimensat(dir, own_name(name), &modified, &modified, UtimensatFlags::NoFollowSymlink)
    })
}

/// The name by which a directory finds an entry, or itself.
fn own_name(name: &Path) -> &Path {
    if name.as_os_str().is_empty() { Path::new(".") } else { name }
}

fn apply_attributes(target: &Path, shown: &Path, wanted: &[Attribute]) -> Result<()> {
    for (name, _) in attributes(target, shown)? {
        if !wanted.iter().any(|(other, _)| *other == name) {
            let name = c_name(&name, shown)?;
            change(format!("remove attribute {} of", name.to_string_lossy()), shown, || {
                lremovexattr(target, name.as_c_str())
            })?;
        }
    }
    for (name, value) in wanted {
        let name = c_name(name, shown)?;
        change(format!("set attribute {} of", name.to_string_lossy()), shown, || {
            lsetxattr(target, name.as_c_str(), value, XattrFlags::empty())
        })?;
    }
    Ok(())
}

fn c_name(name: &[u8], shown: &Path) -> Result<CString> {
    CString::new(name).map_err(|_| Error::malformed(shown, "an attribute with an invalid name"))
}

fn attributes(path: &Path, shown: &Path) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for name in xattr_names(path, shown)? {
        found.push((name.to_bytes().into(), xattr(path, &name, shown)?.into()));
    }
    found.sort();
    Ok(found)
}

/// A path for the calls that take no directory descriptor.
fn proc_path(dir: &Dir, name: &Path) -> PathBuf {
    let dir = dir.proc_path();
    if name.as_os_str().is_empty() { dir.join(".") } else { dir.join(name) }
}
