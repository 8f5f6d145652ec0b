//! Folders by their paths, where there is no directory above that is open.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{OrCannot, Result};
use crate::step::change;

/// Makes a folder, and those above it that are missing.
pub fn make(path: &Path) -> Result<()> {
    change("make the folder", path, || fs::create_dir_all(path))
}

/// Waits until everything on the folder's filesystem is on the disk.
pub fn sync(path: &Path) -> Result<()> {
    let folder = File::open(path).or_cannot("open", path)?;
    change("sync", path, || rustix::fs::syncfs(folder))
}
