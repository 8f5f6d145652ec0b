//! Folders by their paths, for callers that have no open directory above them.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{OrCannot, Result};
use crate::step::change;

/// Makes a folder and all missing folders above it.
pub fn make(path: &Path) -> Result<()> {
    change("make the folder", path, || fs::create_dir_all(path))
}

/// Syncs the folder's whole filesystem.
pub fn sync(path: &Path) -> Result<()> {
    let folder = File::open(path).or_cannot("open", path)?;
    change("sync", path, || rustix::fs::syncfs(folder))
}
