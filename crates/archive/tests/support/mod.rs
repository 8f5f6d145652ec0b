//! Archives of test programs, and unpacking with the options of most tests.

mod unpacking;

use std::path::Path;
use std::process::Command;

use baserock_archive::Stats;
use system::error::Result;
use tar_core::{EntryType, Header};
pub use unpacking::{options, unpack};

pub fn unpack_bytes(archive: &[u8], dest: &Path) -> Result<Stats> {
    unpack(archive, dest, &options(Path::new("test.tar")))
}

pub fn shell(dir: &Path, script: &str) -> String {
    let output = Command::new("bash").args(["-euc", script]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An archive that is written by hand, so that it can contain what no archiver writes.
#[derive(Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    pub fn member(mut self, name: &str, kind: EntryType, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_path(name.as_bytes()).unwrap();
        header.set_link_name(link.as_bytes()).unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o755).unwrap();
        header.set_uid(0).unwrap();
        header.set_gid(0).unwrap();
        header.set_mtime(1_000_000).unwrap();
        header.set_size(content.len() as u64).unwrap();
        header.set_checksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.member(name, EntryType::Regular, "", content.as_bytes())
    }

    pub fn dir(self, name: &str) -> Self {
        self.member(name, EntryType::Directory, "", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.member(name, EntryType::Symlink, target, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(name, EntryType::Link, target, b"")
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub fn cut(self) -> Vec<u8> {
        self.0
    }
}
