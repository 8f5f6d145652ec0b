//! Moves a tree that has been put together to the versions.

use baserock::label::Label;
use baserock::layout::ORIG;
use system::atomic;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;

use crate::beside;
use crate::manifest::Manifest;

/// In the folder where a tree is put together: the directory that becomes the version's.
pub const VERSION: &str = "version";

/// Makes the subvolume `tree` in `folder` the frozen `orig` of a version, with its manifest beside it. The version is not complete yet; it
/// appears among the others in one step. No file in the tree may be open for writing.
pub fn publish(folder: &Dir, tree: &str, systems: &Dir, label: &Label, manifest: &Manifest) -> Result<()> {
    let version = folder.ensure_dir(VERSION, 0o755)?;
    // A frozen subvolume cannot be moved, so it is moved first.
    atomic::publish(folder, tree, &version, ORIG)?;
    let orig = version.dir(ORIG)?;
    btrfs::set_access(&orig, Access::ReadOnly)?;
    beside::store(&version, &orig, manifest)?;
    atomic::publish(folder, VERSION, systems, label)?;
    btrfs::commit(systems)
}
