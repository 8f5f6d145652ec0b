//! A tree that has been put together takes its place among the versions.

use baserock::label::Label;
use baserock::layout::ORIG;
use system::atomic;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;

use crate::beside;
use crate::manifest::Manifest;

/// In the folder where a tree is put together: what becomes the version's directory.
pub const VERSION: &str = "version";

/// Freezes the subvolume `tree` in `folder`, and renames it to the `orig` of a version that is not complete, in one step, its manifest beside
/// it. Nobody may have a file in it open for writing.
pub fn publish(folder: &Dir, tree: &str, systems: &Dir, label: &Label, manifest: &Manifest) -> Result<()> {
    let version = folder.ensure_dir(VERSION, 0o755)?;
    // Once it is frozen it cannot be moved.
    atomic::publish(folder, tree, &version, ORIG)?;
    let orig = version.dir(ORIG)?;
    btrfs::set_access(&orig, Access::ReadOnly)?;
    beside::store(&version, &orig, manifest)?;
    atomic::publish(folder, VERSION, systems, label)?;
    btrfs::commit(systems)
}
