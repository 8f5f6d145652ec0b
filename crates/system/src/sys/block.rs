//! Block device ioctls.

use std::io;
use std::os::fd::BorrowedFd;

use linux_raw_sys::ioctl as request;

use super::ioctl;

/// The size of a block device, in bytes.
pub fn size(device: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = 0u64;
    // SAFETY: BLKGETSIZE64 writes a u64.
    unsafe { ioctl(device, request::BLKGETSIZE64, &mut bytes) }?;
    Ok(bytes)
}

/// The size of a block device's logical sectors, in bytes.
pub fn sector_size(device: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = 0i32;
    // SAFETY: BLKSSZGET writes an int.
    unsafe { ioctl(device, request::BLKSSZGET, &mut bytes) }?;
    Ok(bytes as u64)
}

/// Whether the block device cannot be written.
pub fn is_read_only(device: BorrowedFd<'_>) -> io::Result<bool> {
    let mut flag = 0i32;
    // SAFETY: BLKROGET writes an int.
    unsafe { ioctl(device, request::BLKROGET, &mut flag) }?;
    Ok(flag != 0)
}
