//! Reading the trees of btrfs by its search ioctl. The items are those of `linux/btrfs_tree.h`.

use std::io;
use std::mem::size_of;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;

use linux_raw_sys::btrfs as raw;
use linux_raw_sys::ioctl as request;

use super::{Plain, ioctl};

/// The numbers of inodes and subvolumes end here; a tree has other things behind them.
const LAST: u64 = u64::MAX - 255;

/// The numbers of inodes, and those of subvolumes that somebody has made.
const NUMBERS: RangeInclusive<u64> = raw::BTRFS_FIRST_FREE_OBJECTID as u64..=LAST;

/// Whether the root tree still has an item for this tree. A deleted subvolume has one until the cleaner has freed its space.
pub fn tree_exists(any: BorrowedFd<'_>, tree: u64) -> io::Result<bool> {
    let mut exists = false;
    search(any, of_type(root_tree(tree..=tree), raw::BTRFS_ROOT_ITEM_KEY), |_, _| exists = true)?;
    Ok(exists)
}

/// The tree of the default subvolume, which is mounted if no other is named; `None` if the filesystem does not tell.
pub fn default_subvolume(any: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let directory = u64::from(raw::BTRFS_ROOT_TREE_DIR_OBJECTID);
    let mut tree = None;
    // The directory has one name. Its item begins with the key of what it names, and the key with the number of the tree.
    search(any, of_type(root_tree(directory..=directory), raw::BTRFS_DIR_ITEM_KEY), |_, item| {
        tree = item.first_chunk().copied().map(u64::from_le_bytes);
    })?;
    Ok(tree)
}

/// The number of chunks that the filesystem has allocated.
pub fn chunks(any: BorrowedFd<'_>) -> io::Result<u64> {
    let first = u64::from(raw::BTRFS_FIRST_CHUNK_TREE_OBJECTID);
    let chunks = objects(u64::from(raw::BTRFS_CHUNK_TREE_OBJECTID), first..=first);
    let mut count = 0;
    search(any, of_type(chunks, raw::BTRFS_CHUNK_ITEM_KEY), |_, _| count += 1)?;
    Ok(count)
}

/// The numbers of the inodes in the tree that were changed after the transaction, as far as that is committed.
pub fn changed_inodes(any: BorrowedFd<'_>, tree: u64, since: u64) -> io::Result<Vec<u64>> {
    let mut key = objects(tree, NUMBERS);
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
    let mut changed = None;
    search(any, of_type(objects(tree, inode..=inode), raw::BTRFS_INODE_ITEM_KEY), |_, item| {
        changed = last_change(item);
    })?;
    Ok(changed)
}

/// The transaction in an inode item. The item begins with the transaction that made the inode, and that which last changed it.
fn last_change(item: &[u8]) -> Option<u64> {
    item.get(8..).and_then(|rest| rest.first_chunk().copied()).map(u64::from_le_bytes)
}

/// A part of a file that is in an extent on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The inode of the file.
    pub inode: u64,
    /// Where the part begins in the file, bytes.
    pub offset: u64,
    /// Its length, bytes. The last part of a file is as long as its blocks.
    pub length: u64,
    /// Where the extent begins in the filesystem's address space, bytes.
    pub extent: u64,
    /// Bytes that the extent takes.
    pub stored: u64,
    /// Where the part begins in the extent's content, bytes.
    pub within: u64,
    /// Whether the extent holds the content as it is: written, and neither compressed nor encrypted.
    pub is_plain: bool,
}

/// Calls `found` for each part of each file of the tree, in the order of inodes and offsets. Holes, and files that are kept in an item, have no
/// parts.
pub fn file_parts(any: BorrowedFd<'_>, tree: u64, found: impl FnMut(FilePart)) -> io::Result<()> {
    file_parts_since(any, tree, 0, found)
}

/// The same for a part of the tree: all that was written in this transaction or later, and what is near that.
pub fn file_parts_since(
    any: BorrowedFd<'_>,
    tree: u64,
    since: u64,
    mut found: impl FnMut(FilePart),
) -> io::Result<()> {
    let mut key = objects(tree, NUMBERS);
    key.min_transid = since;
    search(any, key, |header, item| {
        if header.type_ == raw::BTRFS_EXTENT_DATA_KEY {
            file_part(header, item).into_iter().for_each(&mut found);
        }
    })
}

/// An item is: transaction, 8 bytes; length of the content, 8; compression, 1; encryption, 1; encoding, 2; kind, 1. If the kind is not
/// "inline": address of the extent, stored bytes, offset in the content, length of the part, 8 each.
fn file_part(header: &raw::btrfs_ioctl_search_header, item: &[u8]) -> Option<FilePart> {
    let number = |at: usize| item.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
    let kind = u32::from(*item.get(20)?);
    if kind == raw::_bindgen_ty_1::BTRFS_FILE_EXTENT_INLINE as u32 || number(21)? == 0 {
        return None;
    }
    Some(FilePart {
        inode: header.objectid,
        offset: header.offset,
        length: number(45)?,
        extent: number(21)?,
        stored: number(29)?,
        within: number(37)?,
        is_plain: kind == raw::_bindgen_ty_1::BTRFS_FILE_EXTENT_REG as u32 && item[16..20] == [0; 4],
    })
}

/// The numbers of the subvolumes of the filesystem that are not deleted.
pub fn trees(any: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    /// Where a root item has the number of names of its subvolume.
    const NAMES: usize = 216;
    // The top level has no name.
    let mut trees = vec![u64::from(raw::BTRFS_FS_TREE_OBJECTID)];
    search(any, root_tree(NUMBERS), |header, item| {
        let names = item.get(NAMES..).and_then(|rest| rest.first_chunk().copied()).map(u32::from_le_bytes);
        if header.type_ == raw::BTRFS_ROOT_ITEM_KEY && names != Some(0) {
            trees.push(header.objectid);
        }
    })?;
    Ok(trees)
}

/// Bytes of items that one search returns at most. An item of a tree is at most 64 KiB, the size of a node.
const SEARCH_BUFFER: usize = 64 << 10;

#[repr(C)]
struct SearchArguments {
    key: raw::btrfs_ioctl_search_key,
    size: u64,
    buffer: [u8; SEARCH_BUFFER],
}

// SAFETY: a repr(C) structure of integers and an array of them.
unsafe impl Plain for SearchArguments {}
// SAFETY: as above.
unsafe impl Plain for raw::btrfs_ioctl_search_args {}

/// A search for all items of the objects in the tree.
fn objects(tree: u64, objects: RangeInclusive<u64>) -> raw::btrfs_ioctl_search_key {
    let mut key = raw::btrfs_ioctl_search_args::zeroed().key;
    key.tree_id = tree;
    (key.min_objectid, key.max_objectid) = objects.into_inner();
    key.max_type = u8::MAX.into();
    key.max_offset = u64::MAX;
    key.max_transid = u64::MAX;
    key
}

fn root_tree(trees: RangeInclusive<u64>) -> raw::btrfs_ioctl_search_key {
    objects(u64::from(raw::BTRFS_ROOT_TREE_OBJECTID), trees)
}

/// The search, for items of one type. This is exact for one object only: between two objects come all types.
fn of_type(mut key: raw::btrfs_ioctl_search_key, kind: u32) -> raw::btrfs_ioctl_search_key {
    (key.min_type, key.max_type) = (kind, kind);
    key
}

/// Calls `found` for each item from the least to the greatest key.
fn search(
    any: BorrowedFd<'_>,
    mut key: raw::btrfs_ioctl_search_key,
    mut found: impl FnMut(&raw::btrfs_ioctl_search_header, &[u8]),
) -> io::Result<()> {
    /// Size of the header before each item, in bytes.
    const HEADER: usize = size_of::<raw::btrfs_ioctl_search_header>();
    let mut arguments = Box::new(SearchArguments::zeroed());
    arguments.size = SEARCH_BUFFER as u64;
    loop {
        arguments.key = key;
        arguments.key.nr_items = u32::MAX;
        // SAFETY: TREE_SEARCH_V2 takes a btrfs_ioctl_search_args_v2, and writes at most `size` bytes behind it.
        unsafe { ioctl(any, request::BTRFS_IOC_TREE_SEARCH_V2, &mut *arguments) }?;
        if arguments.key.nr_items == 0 {
            return Ok(());
        }
        let buffer = &arguments.buffer;
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
