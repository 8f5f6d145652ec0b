//! The location of a volume.

use std::path::PathBuf;

/// The location of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The volume from which the running system was booted.
    Running,
    /// A block device, an image file, or a directory with `systems/` in it.
    Path(PathBuf),
}
