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
