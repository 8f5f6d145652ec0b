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
unsafe impl Plain for raw::btrfs_ioctl_search_args {}
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

/// Whether the root tree still has an item for this tree. A deleted subvolume has one until the cleaner has freed its space.
pub fn tree_exists(any: BorrowedFd<'_>, tree: u64) -> io::Result<bool> {
    let mut arguments = raw::btrfs_ioctl_search_args::zeroed();
    arguments.key.tree_id = u64::from(raw::BTRFS_ROOT_TREE_OBJECTID);
    arguments.key.min_objectid = tree;
    arguments.key.max_objectid = tree;
    arguments.key.min_type = raw::BTRFS_ROOT_ITEM_KEY;
    arguments.key.max_type = raw::BTRFS_ROOT_ITEM_KEY;
    arguments.key.max_offset = u64::MAX;
    arguments.key.max_transid = u64::MAX;
    arguments.key.nr_items = 1;
    // SAFETY: TREE_SEARCH takes a btrfs_ioctl_search_args.
    unsafe { ioctl(any, request::BTRFS_IOC_TREE_SEARCH, &mut arguments) }?;
    Ok(arguments.key.nr_items > 0)
}

/// The tree of the default subvolume, which is mounted if no other is named; `None` if the filesystem does not tell.
pub fn default_subvolume(any: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let mut arguments = raw::btrfs_ioctl_search_args::zeroed();
    arguments.key.tree_id = u64::from(raw::BTRFS_ROOT_TREE_OBJECTID);
    arguments.key.min_objectid = u64::from(raw::BTRFS_ROOT_TREE_DIR_OBJECTID);
    arguments.key.max_objectid = arguments.key.min_objectid;
    arguments.key.min_type = raw::BTRFS_DIR_ITEM_KEY;
    arguments.key.max_type = raw::BTRFS_DIR_ITEM_KEY;
    arguments.key.max_offset = u64::MAX;
    arguments.key.max_transid = u64::MAX;
    arguments.key.nr_items = 1;
    // SAFETY: TREE_SEARCH takes a btrfs_ioctl_search_args.
    unsafe { ioctl(any, request::BTRFS_IOC_TREE_SEARCH, &mut arguments) }?;
    if arguments.key.nr_items == 0 {
        return Ok(None);
    }
    // The directory has one name. Its item begins with the key of what it names, and the key with the number of the tree.
    let item = &arguments.buf[size_of::<raw::btrfs_ioctl_search_header>()..];
    let bytes: Vec<u8> = item.iter().take(8).map(|&byte| byte as u8).collect();
    Ok(bytes.first_chunk().copied().map(u64::from_le_bytes))
}

/// The number of chunks that the filesystem has allocated.
pub fn chunks(any: BorrowedFd<'_>) -> io::Result<u64> {
    let mut key = raw::btrfs_ioctl_search_args::zeroed().key;
    key.tree_id = u64::from(raw::BTRFS_CHUNK_TREE_OBJECTID);
    key.min_objectid = u64::from(raw::BTRFS_FIRST_CHUNK_TREE_OBJECTID);
    key.max_objectid = key.min_objectid;
    key.min_type = raw::BTRFS_CHUNK_ITEM_KEY;
    key.max_type = raw::BTRFS_CHUNK_ITEM_KEY;
    key.max_offset = u64::MAX;
    let mut count = 0;
    search(any, key, |_, _| count += 1)?;
    Ok(count)
}

/// The numbers of the inodes in the tree that were changed after the transaction, as far as that is committed.
pub fn changed_inodes(any: BorrowedFd<'_>, tree: u64, since: u64) -> io::Result<Vec<u64>> {
    /// The numbers of inodes end here; the tree has other things behind them.
    const LAST_INODE: u64 = u64::MAX - 255;
    let mut key = raw::btrfs_ioctl_search_args::zeroed().key;
    key.tree_id = tree;
    key.min_objectid = u64::from(raw::BTRFS_FIRST_FREE_OBJECTID);
    key.max_objectid = LAST_INODE;
    key.max_type = u8::MAX.into();
    key.max_offset = u64::MAX;
    // The kernel skips what was written before as a whole. What it finds is near a change, and need not have changed itself.
    key.min_transid = since.saturating_add(1);
    let mut changed = Vec::new();
    search(any, key, |header, item| {
        if header.type_ == raw::BTRFS_INODE_ITEM_KEY && last_change(item).is_some_and(|last| last > since) {
            changed.push(header.objectid);
        }
    })?;
    Ok(changed)
}

/// The transaction that last changed an inode; `None` if the tree does not have it yet.
pub fn inode_changed(any: BorrowedFd<'_>, tree: u64, inode: u64) -> io::Result<Option<u64>> {
    let mut key = raw::btrfs_ioctl_search_args::zeroed().key;
    key.tree_id = tree;
    (key.min_objectid, key.max_objectid) = (inode, inode);
    (key.min_type, key.max_type) = (raw::BTRFS_INODE_ITEM_KEY, raw::BTRFS_INODE_ITEM_KEY);
    let mut changed = None;
    search(any, key, |_, item| changed = last_change(item))?;
    Ok(changed)
}

/// The transaction in an inode item. The item begins with the transaction that made the inode, and that which last changed it.
fn last_change(item: &[u8]) -> Option<u64> {
    item.get(8..).and_then(|rest| rest.first_chunk().copied()).map(u64::from_le_bytes)
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

/// Calls `found` for each item from the least to the greatest key. `key` need not name the greatest transaction.
fn search(
    any: BorrowedFd<'_>,
    mut key: raw::btrfs_ioctl_search_key,
    mut found: impl FnMut(&raw::btrfs_ioctl_search_header, &[u8]),
) -> io::Result<()> {
    /// Size of the header before each item, in bytes.
    const HEADER: usize = size_of::<raw::btrfs_ioctl_search_header>();
    key.max_transid = u64::MAX;
    loop {
        let mut arguments = raw::btrfs_ioctl_search_args::zeroed();
        arguments.key = key;
        arguments.key.nr_items = u32::MAX;
        // SAFETY: TREE_SEARCH takes a btrfs_ioctl_search_args.
        unsafe { ioctl(any, request::BTRFS_IOC_TREE_SEARCH, &mut arguments) }?;
        if arguments.key.nr_items == 0 {
            return Ok(());
        }
        let buffer: Vec<u8> = arguments.buf.iter().map(|&byte| byte as u8).collect();
        let mut at = 0;
        for _ in 0..arguments.key.nr_items {
            let header = buffer.get(at..at + HEADER).ok_or(io::ErrorKind::InvalidData)?;
            let long = |at: usize| header[at..].first_chunk().copied().map_or(0, u64::from_ne_bytes);
            let short = |at: usize| header[at..].first_chunk().copied().map_or(0, u32::from_ne_bytes);
            let header = raw::btrfs_ioctl_search_header {
                transid: long(0),
                objectid: long(8),
                offset: long(16),
                type_: short(24),
                len: short(28),
            };
            at += HEADER;
            // An item that is larger than the buffer comes without its content.
            let item = buffer.get(at..at + header.len as usize).ok_or(io::ErrorKind::InvalidData)?;
            found(&header, item);
            at += item.len();
            key.min_objectid = header.objectid;
            key.min_type = header.type_;
            key.min_offset = header.offset;
        }
        // The next key is the greatest one so far, plus one.
        let (offset, is_last) = key.min_offset.overflowing_add(1);
        let kind = key.min_type + u32::from(is_last);
        // The kernel keeps a type in one byte.
        let (kind, is_last_kind) = if kind > u8::MAX.into() { (0, true) } else { (kind, false) };
        let (object, is_end) = key.min_objectid.overflowing_add(u64::from(is_last_kind));
        if is_end {
            return Ok(());
        }
        (key.min_offset, key.min_type, key.min_objectid) = (offset, kind, object);
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
