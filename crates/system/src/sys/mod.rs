//! Kernel interfaces that no crate wraps safely: ioctls and signal handlers. All `unsafe` of the project is here.
//!
//! The functions return the kernel's error ([`std::io::Error`]). The modules above add the path and the action.
#![allow(unsafe_code)]
#![allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "the C types of the kernel's interfaces differ in width and sign between platforms"
)]

pub mod block;
pub mod btrfs;
pub mod child;
pub mod fs;
pub mod keys;
pub mod loopdev;
pub mod signal;
pub mod trees;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A kernel structure whose all-zero bytes are a valid value.
///
/// # Safety
/// Only for `repr(C)` structures of integers, arrays of them, unions of them and raw pointers.
unsafe trait Plain: Sized {
    fn zeroed() -> Self {
        // SAFETY: the implementor promises that zeros are a valid value.
        unsafe { std::mem::zeroed() }
    }
}

/// An ioctl whose argument is a pointer to `T`. Returns the kernel's non-negative answer.
///
/// # Safety
/// For `request` the kernel must not read or write more than a `T`.
unsafe fn ioctl<T>(fd: BorrowedFd<'_>, request: u32, argument: &mut T) -> io::Result<i32> {
    // SAFETY: the descriptor is open, the pointer is valid for a T, and the caller promises the rest.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(argument)) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// An ioctl with a number as its argument, or with none.
///
/// # Safety
/// For `request` the kernel must take the argument as a number, or ignore it.
unsafe fn ioctl_number(fd: BorrowedFd<'_>, request: u32, argument: libc::c_ulong) -> io::Result<i32> {
    // SAFETY: the descriptor is open, and the caller promises that no pointer is expected.
    let answer = unsafe { libc::ioctl(fd.as_raw_fd(), request as _, argument) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
