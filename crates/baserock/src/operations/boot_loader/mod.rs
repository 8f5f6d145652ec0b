//! Installs boot loaders. Their menu is the volume's; they are installed once for a disk, and read it from then on.

pub mod extlinux;
pub mod grub;
pub mod uboot;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use system::error::{OrCannot, Result};
use system::process::Program;

/// A file in memory, for a program that takes no pipe.
struct Scratch(File);

impl Scratch {
    fn new() -> Result<Self> {
        let file = memfd_create("scratch", MemfdFlags::CLOEXEC).map(File::from);
        Ok(Scratch(file.or_cannot("create", "a file in memory")?))
    }

    /// Its path, for this process and its children.
    fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// Its content, after the program has written it.
    fn filled_by(mut self, program: Program) -> Result<Vec<u8>> {
        program.run()?;
        let mut content = Vec::new();
        self.0.read_to_end(&mut content).or_cannot("read", "a file in memory")?;
        Ok(content)
    }
}
