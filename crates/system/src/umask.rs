//! The umask of the caller. It is set aside, so that the files of a system get the modes in the code, and counts for what the caller is given.

use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::stat::{Mode, umask};

/// The usual umask, with which programs make the files of systems.
const USUAL: Mode = Mode::S_IWGRP.union(Mode::S_IWOTH);

static CALLERS: AtomicU32 = AtomicU32::new(USUAL.bits());

/// Sets the umask of the caller aside. It is called once, when a program begins.
pub fn set_aside() {
    CALLERS.store(umask(USUAL).bits(), Ordering::Relaxed);
}

/// The umask that was set aside; the usual one if none was.
pub fn of_caller() -> Mode {
    Mode::from_bits_truncate(CALLERS.load(Ordering::Relaxed))
}

/// The mode of a new file that the caller is given. Such a file may contain a whole system with its secrets, so it is never wider than what the
/// caller lets others read, or than the usual umask does.
pub fn for_caller(mode: u32) -> u32 {
    mode & !(of_caller() | USUAL).bits()
}
