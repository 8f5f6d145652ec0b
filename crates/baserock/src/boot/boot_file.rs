//! The kinds of files that a version boots with.

use std::fmt;

/// A file that a version boots with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootFile {
    /// The kernel.
    Kernel,
    /// The initramfs.
    Initramfs,
    /// The device tree.
    DeviceTree,
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BootFile::Kernel => "the kernel",
            BootFile::Initramfs => "the initramfs",
            BootFile::DeviceTree => "the device tree",
        })
    }
}
