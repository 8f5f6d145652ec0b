//! Which volume.

use std::path::PathBuf;

/// Where the volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The one that the running system was booted from.
    Running,
    /// A block device, an image file, or a directory with `systems/` in it.
    Path(PathBuf),
}
