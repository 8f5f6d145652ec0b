//! A folder in memory with something beside it that must stay as it is.

use std::fs;
use std::os::unix::fs::MetadataExt;

use system::dir::Dir;
use tempfile::TempDir;

/// The folder. It is removed when this is dropped.
pub struct Fence {
    place: TempDir,
}

const VICTIM: &str = "victim";
const INSIDE: &str = "inside";

impl Fence {
    /// A new one.
    pub fn new() -> Self {
        let place = tempfile::tempdir_in("/dev/shm").expect("a folder can be made");
        fs::write(place.path().join(VICTIM), "as it was").expect("a file can be written");
        fs::create_dir(place.path().join(INSIDE)).expect("a folder can be made");
        Fence { place }
    }

    /// A new folder inside.
    pub fn inside(&self, name: &str) -> Dir {
        let path = self.place.path().join(INSIDE).join(name);
        fs::create_dir(&path).expect("a folder can be made");
        Dir::open(path).expect("it can be opened")
    }

    /// Fails if anything outside was touched.
    pub fn check(&self) {
        let victim = self.place.path().join(VICTIM);
        assert_eq!(fs::read(&victim).expect("the victim is there"), b"as it was");
        let stat = fs::metadata(&victim).expect("the victim is there");
        assert_eq!(
            (stat.nlink(), stat.uid(), stat.mode() & 0o7777),
            (1, 0, 0o644),
            "the victim's links, owner, mode"
        );
        let names = fs::read_dir(self.place.path()).expect("the folder is there").count();
        assert_eq!(names, 2, "something was made outside");
    }
}
