//! Somebody's data, mounted where it must not be touched.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use system::mount::leave_shared_namespace;

/// A folder with data, bound to another one. Only this thread and its children see it there.
pub struct Bound {
    data: tempfile::TempDir,
    target: PathBuf,
}

impl Bound {
    /// Binds new data to the folder, which is made.
    pub fn new(target: &Path) -> Self {
        leave_shared_namespace().expect("a namespace");
        let data = tempfile::tempdir().expect("a folder");
        fs::write(data.path().join("precious"), "data").expect("a file");
        fs::create_dir_all(target).expect("a folder");
        mount(Some(data.path()), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("a mount");
        Bound { data, target: target.to_owned() }
    }

    /// Asserts that the data is there.
    #[track_caller]
    pub fn is_whole(&self) {
        assert_eq!(fs::read_to_string(self.data.path().join("precious")).expect("the data"), "data");
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _gone = umount2(&self.target, MntFlags::MNT_DETACH);
    }
}
