//! The EFI system partition of a disk, read and written by mtools.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use baserock::boot::environment::Environment;
use system::partitions;
use tempfile::NamedTempFile;

use crate::programs::shell;

/// Where GRUB keeps its environment block.
pub const BLOCK: &str = "EFI/BOOT/grubenv";

/// An EFI system partition.
pub struct Esp {
    /// Disk and place, as mtools take them.
    image: String,
}

impl Esp {
    /// That of the disk; `None` if it has none.
    pub fn of(disk: &Path) -> Option<Esp> {
        let file = File::open(disk).expect("the disk");
        let partitions = partitions::read(&file, disk).expect("a table");
        let esp = partitions.iter().find(|partition| partition.is_esp)?;
        Some(Esp { image: format!("{}@@{}", disk.display(), esp.start) })
    }

    /// A file; `None` if mtools find none that they can read.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let output = Command::new("mtype").args(["-i", &self.image, &format!("::/{path}")]).output();
        let output = output.expect("mtype (Debian package mtools)");
        output.status.success().then_some(output.stdout)
    }

    /// Writes a file over the one that is there, if any.
    pub fn write(&self, path: &str, content: &[u8]) {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(content).expect("the file");
        let from = file.path().to_str().expect("a path that is text");
        shell("mcopy", &["-o", "-i", &self.image, from, &format!("::/{path}")]);
    }

    /// Does something with a program of mtools and a path.
    pub fn tool(&self, program: &str, path: &str) {
        shell(program, &["-i", &self.image, &format!("::/{path}")]);
    }

    /// The names below `EFI`, folders with a slash at their ends.
    pub fn names(&self) -> Vec<String> {
        let said = shell("mdir", &["-b", "-s", "-i", &self.image, "::/EFI"]);
        let mut names: Vec<_> = said.lines().map(|line| line.trim_start_matches("::/").to_owned()).collect();
        names.sort();
        names
    }

    /// What GRUB is told to boot once.
    pub fn once(&self) -> Option<String> {
        Environment::parse(&self.read(BLOCK)?).once().map(str::to_owned)
    }

    /// What GRUB does: it takes that.
    pub fn take_once(&self) -> Option<String> {
        let once = self.once();
        self.write(BLOCK, &Environment::default().to_bytes());
        once
    }
}
