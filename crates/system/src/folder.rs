//! Folders by their paths, for callers that have no open directory above them.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::{OrCannot, Result};
use crate::step::change;

/// Makes a folder and all missing folders above it.
pub fn make(path: &Path) -> Result<()> {
    change("make the folder", path, || fs::create_dir_all(path))
}

/// Makes a folder for its owner only, and all missing folders above it.
pub fn make_private(path: &Path) -> Result<()> {
    change("make the folder", path, || DirBuilder::new().recursive(true).mode(0o700).create(path))
}

/// Syncs the folder's whole filesystem.
pub fn sync(path: &Path) -> Result<()> {
    let folder = File::open(path).or_cannot("open", path)?;
    change("sync", path, || rustix::fs::syncfs(folder))
}
