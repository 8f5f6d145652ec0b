//! Loop device ioctls, as `linux/loop.h` defines them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::loop_device as raw;

use super::{Plain, ioctl, ioctl_number};

// SAFETY: repr(C) structures of integers and arrays of them.
unsafe impl Plain for raw::loop_config {}
// SAFETY: as above.
unsafe impl Plain for raw::loop_info64 {}

/// The number of a loop device that is free at this moment. The kernel makes a new one if there is none.
pub fn free_number(control: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: LOOP_CTL_GET_FREE ignores its argument.
    unsafe { ioctl_number(control, raw::LOOP_CTL_GET_FREE, 0) }
}

/// A part of a file or device, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its start.
    pub offset: u64,
    /// Its size; 0 is all.
    pub size: u64,
    /// The size of its sectors.
    pub sector: u64,
}

/// Attaches a part of `backing`. The kernel detaches it at the last close.
pub fn configure(
    device: BorrowedFd<'_>,
    backing: BorrowedFd<'_>,
    part: Part,
    read_only: bool,
) -> io::Result<()> {
    let mut config = raw::loop_config::zeroed();
    config.fd = backing.as_raw_fd().cast_unsigned();
    config.block_size = part.sector as u32;
    config.info.lo_offset = part.offset;
    config.info.lo_sizelimit = part.size;
    config.info.lo_flags =
        raw::LO_FLAGS_AUTOCLEAR as u32 | if read_only { raw::LO_FLAGS_READ_ONLY as u32 } else { 0 };
    // SAFETY: LOOP_CONFIGURE reads a loop_config.
    match unsafe { ioctl(device, raw::LOOP_CONFIGURE, &mut config) } {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY)) => {
            configure_in_steps(device, backing, &mut config.info)
        }
        answer => answer.map(drop),
    }
}

/// [`configure`] for kernels before 5.8.
fn configure_in_steps(
    device: BorrowedFd<'_>,
    backing: BorrowedFd<'_>,
    info: &mut raw::loop_info64,
) -> io::Result<()> {
    // SAFETY: LOOP_SET_FD takes a descriptor as a number.
    unsafe { ioctl_number(device, raw::LOOP_SET_FD, backing.as_raw_fd() as libc::c_ulong) }?;
    // SAFETY: LOOP_SET_STATUS64 reads a loop_info64.
    let set = unsafe { ioctl(device, raw::LOOP_SET_STATUS64, info) };
    if set.is_err() {
        // SAFETY: LOOP_CLR_FD ignores its argument.
        unsafe { ioctl_number(device, raw::LOOP_CLR_FD, 0) }?;
    }
    set.map(drop)
}

/// Lets the device read and write the file behind it without the kernel's cache of that file.
pub fn set_direct(device: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: LOOP_SET_DIRECT_IO takes a number.
    unsafe { ioctl_number(device, raw::LOOP_SET_DIRECT_IO, 1) }.map(drop)
}

/// The device and inode number of the file behind the loop device; `None` if the device is free.
pub fn backing_inode(device: BorrowedFd<'_>) -> io::Result<Option<(u64, u64)>> {
    let mut info = raw::loop_info64::zeroed();
    // SAFETY: LOOP_GET_STATUS64 writes a loop_info64.
    match unsafe { ioctl(device, raw::LOOP_GET_STATUS64, &mut info) } {
        Ok(_) => Ok(Some((info.lo_device, info.lo_inode))),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}
