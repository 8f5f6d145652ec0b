//! What a volume is opened for, and how.

use nix::mount::MsFlags;
use system::lock::Patience;

use super::Location;

/// What the volume is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To look: nothing is locked, nothing is written.
    Look,
    /// To change it: one at a time.
    Change,
    /// To put a version together beside the others, and to take the volume's lock only when the others are changed
    /// ([`Volume::while_locked`](super::Volume::while_locked)).
    Stage,
    /// To change a filesystem that was just made: it gets the layout of a volume.
    Make,
    /// To change it under the lock of the program that started this one, inherited as the descriptor of this number.
    ChangeUnder(i32),
}

/// How to open a volume.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Which one.
    pub location: Location,
    /// What for.
    pub purpose: Purpose,
    /// What to do when somebody else changes it.
    pub patience: Patience,
}

impl Opening {
    /// How its filesystems are mounted.
    pub(super) fn flags(&self) -> MsFlags {
        match self.purpose {
            Purpose::Look => MsFlags::MS_RDONLY,
            Purpose::Change | Purpose::Stage | Purpose::Make | Purpose::ChangeUnder(_) => MsFlags::empty(),
        }
    }
}
