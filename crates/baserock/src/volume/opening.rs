//! The purpose and the options of opening a volume.

use nix::mount::MsFlags;
use system::lock::Patience;

use super::Location;

/// The purpose for which a volume is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look. Nothing is locked or written.
    Look,
    /// To change it. Only one process can do this at a time.
    Change,
    /// To put a version together beside the others, and to take the volume's lock only when the others are changed
    /// ([`Volume::while_locked`](super::Volume::while_locked)).
    Stage,
    /// To change a filesystem that was just made. It gets the layout of a volume. As for [`Purpose::Fill`], nobody can find it yet.
    Make,
    /// To fill a volume that nobody can find yet, for example in a file without a name. The disk writes in any order then, because nothing has to be
    /// on it before the volume is closed.
    Fill,
    /// To change it under the lock of the program that started this one. The lock is inherited as the descriptor with this number.
    ChangeUnder(i32),
}

/// The options of opening a volume.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its location.
    pub location: Location,
    /// The purpose.
    pub purpose: Purpose,
    /// The reaction if another process is changing it.
    pub patience: Patience,
}

impl Purpose {
    /// The mount flags for the filesystems of a volume.
    pub(super) fn flags(self) -> MsFlags {
        if self == Purpose::Look { MsFlags::MS_RDONLY } else { MsFlags::empty() }
    }

    /// The mount options for the volume itself. Its top level need not be the default subvolume.
    pub(super) fn options(self) -> &'static str {
        match self {
            Purpose::Make | Purpose::Fill => "subvolid=5,nobarrier",
            Purpose::Look | Purpose::Change | Purpose::Stage | Purpose::ChangeUnder(_) => "subvolid=5",
        }
    }

    /// Whether others must not change it meanwhile.
    pub(super) fn locks(self) -> bool {
        matches!(self, Purpose::Change | Purpose::Stage | Purpose::Make | Purpose::Fill)
    }
}
