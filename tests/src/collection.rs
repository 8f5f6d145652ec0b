//! The collection for Ansible, laid out where Ansible finds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::programs::shell;

/// A copy of the collection, in a folder that is gone with this value.
pub struct Collection {
    place: TempDir,
}

impl Collection {
    /// Copies it.
    pub fn new() -> Self {
        let collection = Collection { place: tempfile::tempdir().expect("a temporary directory") };
        let path = collection.path();
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../ansible");
        shell("cp", &["-a", source, path.to_str().expect("a path that is text")]);
        collection
    }

    /// The folder for what belongs to it.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Its own folder.
    pub fn path(&self) -> PathBuf {
        self.place().join("ansible_collections/baserock/system")
    }

    /// The files in it that end so.
    pub fn files(&self, end: &str) -> Vec<String> {
        let found = shell("find", &[self.path().to_str().expect("text"), "-name", &format!("*{end}")]);
        let inside = |path: &str| {
            let inside = Path::new(path).strip_prefix(self.path()).expect("a path in it");
            inside.to_str().expect("text").to_owned()
        };
        let mut files: Vec<String> = found.lines().map(inside).collect();
        files.sort();
        files
    }

    /// A program of Debian in its folder, to which there is no other collection.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("/usr/bin/{program}"));
        command
            .current_dir(self.path())
            // Another Python may come first for whoever runs the tests.
            .env("PATH", "/usr/bin:/bin")
            .env("ANSIBLE_COLLECTIONS_PATH", self.place())
            .env("ANSIBLE_INVENTORY_ENABLED", "baserock.system.cluster")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("HOME", self.place())
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", self.place());
        command
    }
}

impl Default for Collection {
    fn default() -> Self {
        Collection::new()
    }
}
