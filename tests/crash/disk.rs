//! Disks as a power cut leaves them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::log::Log;
use super::point::Point;
use super::recording::copy;

/// Rebuilds the disk at one point after the other; points must come in their order.
pub struct Rebuilder<'l> {
    log: &'l Log,
    seed: u64,
    folder: PathBuf,
    /// The disk with all epochs before this one.
    settled: PathBuf,
    epoch: usize,
}

impl<'l> Rebuilder<'l> {
    /// Works in a folder of its own, from the disk as it was before the first write.
    pub fn new(log: &'l Log, base: &Path, seed: u64, folder: &Path) -> Self {
        let settled = folder.join("settled");
        copy(base, &settled);
        Rebuilder { log, seed, folder: folder.to_owned(), settled, epoch: 0 }
    }

    /// The disk at this point, to do with as one likes.
    pub fn disk_at(&mut self, point: Point) -> Disk {
        assert!(point.epoch >= self.epoch, "points come in their order");
        let settled = open(&self.settled);
        for write in self.log.epochs[self.epoch..point.epoch].iter().flatten() {
            self.log.apply(write, 0..write.size, &settled);
        }
        self.epoch = point.epoch;
        let disk = Disk { path: self.folder.join(format!("{point}.img")) };
        copy(&self.settled, &disk.path);
        let file = open(&disk.path);
        for (write, part) in point.writes(self.log, self.seed) {
            self.log.apply(write, part, &file);
        }
        disk
    }
}

/// A disk's image, gone with this value.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        fs::remove_file(&self.path).expect("the image of a point");
    }
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("a disk")
}
