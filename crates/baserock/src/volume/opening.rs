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
    /// To change a filesystem that was just made. It gets the layout of a volume.
    Make,
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

impl Opening {
    /// The mount flags for its filesystems.
    pub(super) fn flags(&self) -> MsFlags {
        match self.purpose {
            Purpose::Look => MsFlags::MS_RDONLY,
            Purpose::Change | Purpose::Stage | Purpose::Make | Purpose::ChangeUnder(_) => MsFlags::empty(),
        }
    }
}
