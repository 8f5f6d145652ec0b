//! Filesystem ioctls: freezing, extents, flags.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::ioctl as request;

use super::{Plain, ioctl, ioctl_number};

/// Writes everything to the filesystem, its log too, and then blocks all writing to it.
pub fn freeze(any: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: FIFREEZE ignores its argument.
    unsafe { ioctl_number(any, request::FIFREEZE, 0) }.map(drop)
}

/// Allows writing again after [`freeze`].
pub fn thaw(any: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: FITHAW ignores its argument.
    unsafe { ioctl_number(any, request::FITHAW, 0) }.map(drop)
}

/// Begins to write the file's dirty pages, and does not wait.
pub fn start_writing(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: sync_file_range takes no pointer. A length of zero is the whole file.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

// SAFETY: a repr(C) structure of integers.
unsafe impl Plain for linux_raw_sys::general::file_clone_range {}

/// Shares `length` bytes of `source` from `source_offset` on with `target` at `target_offset`. All three must be multiples of the
/// filesystem's block size. Only the length may be another number, if the range ends with the source.
pub fn clone_range(
    target: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    source_offset: u64,
    length: u64,
    target_offset: u64,
) -> io::Result<()> {
    let mut range = linux_raw_sys::general::file_clone_range::zeroed();
    range.src_fd = i64::from(source.as_raw_fd());
    range.src_offset = source_offset;
    range.src_length = length;
    range.dest_offset = target_offset;
    // SAFETY: FICLONERANGE reads a file_clone_range.
    unsafe { ioctl(target, request::FICLONERANGE, &mut range) }.map(drop)
}

/// The argument of FIDEDUPERANGE for one target.
#[repr(C)]
struct Dedupe {
    range: linux_raw_sys::general::file_dedupe_range,
    target: linux_raw_sys::general::file_dedupe_range_info,
}

// SAFETY: a repr(C) structure of integers.
unsafe impl Plain for Dedupe {}

/// Shares `length` bytes of `source` from `source_offset` on with `target` at `target_offset` if both have the same content there, which the
/// kernel compares. Neither content changes, so that the target may be read-only. Returns how many bytes are shared, 0 if the contents differ.
/// An end that is no multiple of the block size must be the end of both files.
pub fn dedupe_range(
    source: BorrowedFd<'_>,
    source_offset: u64,
    length: u64,
    target: BorrowedFd<'_>,
    target_offset: u64,
) -> io::Result<u64> {
    let mut argument = Dedupe::zeroed();
    argument.range.src_offset = source_offset;
    argument.range.src_length = length;
    argument.range.dest_count = 1;
    argument.target.dest_fd = i64::from(target.as_raw_fd());
    argument.target.dest_offset = target_offset;
    // SAFETY: FIDEDUPERANGE reads a file_dedupe_range with one file_dedupe_range_info behind it, and writes the latter.
    unsafe { ioctl(source, request::FIDEDUPERANGE, &mut argument) }?;
    match argument.target.status {
        0 => Ok(argument.target.bytes_deduped),
        differs if differs > 0 => Ok(0),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// The flags of a file or directory, as `linux/fs.h` defines them (`FS_*_FL`).
pub fn file_flags(file: BorrowedFd<'_>) -> io::Result<u32> {
    // The kernel reads and writes an int, although the request is defined with a long.
    let mut flags = 0u32;
    // SAFETY: FS_IOC_GETFLAGS writes an int.
    unsafe { ioctl(file, request::FS_IOC_GETFLAGS, &mut flags) }?;
    Ok(flags)
}

/// Sets the flags of a file or directory.
pub fn set_file_flags(file: BorrowedFd<'_>, mut flags: u32) -> io::Result<()> {
    // SAFETY: FS_IOC_SETFLAGS reads an int.
    unsafe { ioctl(file, request::FS_IOC_SETFLAGS, &mut flags) }.map(drop)
}

/// One extent of a file, as `linux/fiemap.h` defines it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Offset in the file, bytes.
    pub logical: u64,
    /// Offset in the filesystem's address space, bytes.
    pub physical: u64,
    /// Length, bytes.
    pub length: u64,
    reserved64: [u64; 2],
    /// `FIEMAP_EXTENT_*`.
    pub flags: u32,
    reserved: [u32; 3],
}

const BATCH: usize = 128;

#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [Extent; BATCH],
}

const _: () = assert!(size_of::<Extent>() == 56);

// SAFETY: a repr(C) structure of integers and arrays of them.
unsafe impl Plain for Fiemap {}

/// Writes the file's dirty pages, and returns all its extents in order.
pub fn extents(file: BorrowedFd<'_>) -> io::Result<Vec<Extent>> {
    let mut found: Vec<Extent> = Vec::new();
    loop {
        let mut map = Fiemap::zeroed();
        map.start = found.last().map_or(0, |last| last.logical + last.length);
        map.length = u64::MAX - map.start;
        map.flags = request::FIEMAP_FLAG_SYNC;
        map.extent_count = BATCH as u32;
        // SAFETY: FIEMAP writes the header and at most `extent_count` extents.
        unsafe { ioctl(file, request::FS_IOC_FIEMAP, &mut map) }?;
        let batch = &map.extents[..(map.mapped_extents as usize).min(BATCH)];
        found.extend_from_slice(batch);
        let finished = batch.last().is_none_or(|last| last.flags & request::FIEMAP_EXTENT_LAST != 0);
        if finished {
            return Ok(found);
        }
    }
}
