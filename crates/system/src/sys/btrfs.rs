//! The btrfs ioctls, as `linux/btrfs.h` defines them.

use std::ffi::OsStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use linux_raw_sys::btrfs as raw;
use linux_raw_sys::ioctl as request;

use super::{Plain, ioctl, ioctl_number};

const _: () = assert!(size_of::<raw::btrfs_ioctl_vol_args>() == 4096);
const _: () = assert!(size_of::<raw::btrfs_ioctl_vol_args_v2>() == 4096);
const _: () = assert!(size_of::<raw::btrfs_ioctl_get_subvol_info_args>() == 504);
const _: () = assert!(size_of::<raw::btrfs_ioctl_ino_lookup_user_args>() == 4096);
const _: () = assert!(size_of::<raw::btrfs_ioctl_ino_lookup_args>() == 4096);

// SAFETY: all are repr(C) structures of integers, arrays, unions of these, and raw pointers.
unsafe impl Plain for raw::btrfs_ioctl_vol_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_vol_args_v2 {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_get_subvol_info_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_get_subvol_rootref_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_ino_lookup_user_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_ino_lookup_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_fs_info_args {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_dev_info_args {}

/// Creates an empty subvolume `name` in the directory.
pub fn create(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut arguments = raw::btrfs_ioctl_vol_args_v2::zeroed();
    set_name_v2(&mut arguments, name)?;
    // SAFETY: SUBVOL_CREATE_V2 takes a btrfs_ioctl_vol_args_v2.
    unsafe { ioctl(parent, request::BTRFS_IOC_SUBVOL_CREATE_V2, &mut arguments) }.map(drop)
}

/// Snapshots the subvolume `source` as `name` in the directory.
pub fn snapshot(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &OsStr,
    read_only: bool,
) -> io::Result<()> {
    let mut arguments = raw::btrfs_ioctl_vol_args_v2::zeroed();
    arguments.fd = i64::from(source.as_raw_fd());
    arguments.flags = if read_only { u64::from(raw::BTRFS_SUBVOL_RDONLY) } else { 0 };
    set_name_v2(&mut arguments, name)?;
    // SAFETY: SNAP_CREATE_V2 takes a btrfs_ioctl_vol_args_v2.
    unsafe { ioctl(parent, request::BTRFS_IOC_SNAP_CREATE_V2, &mut arguments) }.map(drop)
}

/// Deletes the subvolume `name` in the directory. It must have no subvolumes inside.
pub fn delete(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut arguments = raw::btrfs_ioctl_vol_args::zeroed();
    copy_name(&mut arguments.name, name)?;
    // SAFETY: SNAP_DESTROY takes a btrfs_ioctl_vol_args.
    unsafe { ioctl(parent, request::BTRFS_IOC_SNAP_DESTROY, &mut arguments) }.map(drop)
}

/// The flags of the subvolume: `BTRFS_SUBVOL_RDONLY` or nothing.
pub fn flags(subvolume: BorrowedFd<'_>) -> io::Result<u64> {
    let mut flags = 0u64;
    // SAFETY: SUBVOL_GETFLAGS writes a u64.
    unsafe { ioctl(subvolume, request::BTRFS_IOC_SUBVOL_GETFLAGS, &mut flags) }?;
    Ok(flags)
}

/// Sets the flags of the subvolume.
pub fn set_flags(subvolume: BorrowedFd<'_>, mut flags: u64) -> io::Result<()> {
    // SAFETY: SUBVOL_SETFLAGS reads a u64.
    unsafe { ioctl(subvolume, request::BTRFS_IOC_SUBVOL_SETFLAGS, &mut flags) }.map(drop)
}

/// The kernel's information about the subvolume of the descriptor.
pub fn subvolume_info(inside: BorrowedFd<'_>) -> io::Result<raw::btrfs_ioctl_get_subvol_info_args> {
    let mut info = raw::btrfs_ioctl_get_subvol_info_args::zeroed();
    // SAFETY: GET_SUBVOL_INFO writes a btrfs_ioctl_get_subvol_info_args.
    unsafe { ioctl(inside, request::BTRFS_IOC_GET_SUBVOL_INFO, &mut info) }?;
    Ok(info)
}

/// The subvolumes directly inside, from tree id `from` on, at most 255. Each is a pair: its tree id, and the id of the directory that
/// holds it. The flag tells whether there are more.
pub fn children(subvolume: BorrowedFd<'_>, from: u64) -> io::Result<(Vec<(u64, u64)>, bool)> {
    let mut arguments = raw::btrfs_ioctl_get_subvol_rootref_args::zeroed();
    arguments.min_treeid = from;
    // SAFETY: GET_SUBVOL_ROOTREF writes a btrfs_ioctl_get_subvol_rootref_args.
    let answer = unsafe { ioctl(subvolume, request::BTRFS_IOC_GET_SUBVOL_ROOTREF, &mut arguments) };
    let more = match answer {
        Ok(_) => false,
        Err(error) if error.raw_os_error() == Some(libc::EOVERFLOW) => true,
        Err(error) => return Err(error),
    };
    let found = arguments.rootref.iter().take(usize::from(arguments.num_items));
    Ok((found.map(|child| (child.treeid, child.dirid)).collect(), more))
}

/// The directory and the name of a child that [`children`] found. The directory is relative to the subvolume's root and ends with a slash;
/// it is empty for the root itself.
pub fn child_path(subvolume: BorrowedFd<'_>, tree: u64, directory: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut arguments = raw::btrfs_ioctl_ino_lookup_user_args::zeroed();
    arguments.treeid = tree;
    arguments.dirid = directory;
    // SAFETY: INO_LOOKUP_USER takes a btrfs_ioctl_ino_lookup_user_args.
    unsafe { ioctl(subvolume, request::BTRFS_IOC_INO_LOOKUP_USER, &mut arguments) }?;
    Ok((text(&arguments.path), text(&arguments.name)))
}

/// The path of an inode from the top of the tree. Of several hard links it is one. `None` if the inode has no name any more.
pub fn inode_path(any: BorrowedFd<'_>, tree: u64, inode: u64) -> io::Result<Option<Vec<u8>>> {
    let mut arguments = raw::btrfs_ioctl_ino_lookup_args::zeroed();
    arguments.treeid = tree;
    arguments.objectid = inode;
    // SAFETY: INO_LOOKUP takes a btrfs_ioctl_ino_lookup_args.
    match unsafe { ioctl(any, request::BTRFS_IOC_INO_LOOKUP, &mut arguments) } {
        Ok(_) => Ok(Some(text(&arguments.name))),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Commits the running transaction: all earlier writes are on the disk afterwards, even for boot loaders that do not replay the log.
pub fn sync(any: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: SYNC has no argument.
    unsafe { ioctl_number(any, request::BTRFS_IOC_SYNC, 0) }.map(drop)
}

/// The kernel's information about the filesystem: devices, node size, and UUID, which is random for the second mount of a copy.
pub fn filesystem_info(any: BorrowedFd<'_>) -> io::Result<raw::btrfs_ioctl_fs_info_args> {
    let mut info = raw::btrfs_ioctl_fs_info_args::zeroed();
    // SAFETY: FS_INFO writes a btrfs_ioctl_fs_info_args.
    unsafe { ioctl(any, request::BTRFS_IOC_FS_INFO, &mut info) }?;
    Ok(info)
}

/// The kernel's path of the filesystem's device with this number; `None` if there is no such device.
pub fn device_path(any: BorrowedFd<'_>, number: u64) -> io::Result<Option<Vec<u8>>> {
    let mut info = raw::btrfs_ioctl_dev_info_args::zeroed();
    info.devid = number;
    // SAFETY: DEV_INFO takes a btrfs_ioctl_dev_info_args.
    match unsafe { ioctl(any, request::BTRFS_IOC_DEV_INFO, &mut info) } {
        Ok(_) => Ok(Some(info.path.iter().copied().take_while(|&byte| byte != 0).collect())),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of kinds of block group that [`space`] has room for. There are data, metadata, system and the reserve, each in at most two
/// profiles.
const SPACE_SLOTS: usize = 32;

#[repr(C)]
struct SpaceArguments {
    slots: u64,
    total: u64,
    spaces: [raw::btrfs_ioctl_space_info; SPACE_SLOTS],
}

// SAFETY: a repr(C) structure of integers and arrays of them.
unsafe impl Plain for SpaceArguments {}

/// Allocated and used bytes, one row for each kind of block group (flags `BTRFS_BLOCK_GROUP_*`).
pub fn space(any: BorrowedFd<'_>) -> io::Result<Vec<raw::btrfs_ioctl_space_info>> {
    let mut arguments = SpaceArguments::zeroed();
    arguments.slots = SPACE_SLOTS as u64;
    // SAFETY: SPACE_INFO writes the header and at most `slots` rows.
    unsafe { ioctl(any, request::BTRFS_IOC_SPACE_INFO, &mut arguments) }?;
    let rows = usize::try_from(arguments.total).unwrap_or(SPACE_SLOTS).min(SPACE_SLOTS);
    Ok(arguments.spaces[..rows].to_vec())
}

fn set_name_v2(arguments: &mut raw::btrfs_ioctl_vol_args_v2, name: &OsStr) -> io::Result<()> {
    // SAFETY: every member of the union is plain bytes, and the name covers the whole of it.
    copy_name(unsafe { &mut arguments.__bindgen_anon_2.name }, name)
}

/// Copies the name, and leaves at least one zero at its end.
fn copy_name(field: &mut [libc::c_char], name: &OsStr) -> io::Result<()> {
    let bytes = name.as_bytes();
    if bytes.len() > raw::BTRFS_VOL_NAME_MAX as usize || bytes.contains(&0) || bytes.contains(&b'/') {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in field.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok(())
}

fn text(field: &[libc::c_char]) -> Vec<u8> {
    field.iter().map(|&c| c as u8).take_while(|&byte| byte != 0).collect()
}
