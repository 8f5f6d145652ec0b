//! Chroots: systems that are used without booting them, on any Linux and any filesystem.
//!
//! A store is a directory:
//!
//! ```text
//! STORE/LABEL/tree           the root filesystem; on btrfs a subvolume
//! STORE/LABEL/chroot.json    where it came from, and when
//! STORE/default -> LABEL     the one that is entered when none is named
//! STORE/src                  shared by all, where the user cannot write to /src
//! STORE/.incoming.LABEL      being added: renamed to LABEL when it is complete and on the disk
//! STORE/.removing.LABEL      being removed
//! ```
//!
//! What is hidden is locked by the process that works on it; what is not locked was left by one that was killed, and the next
//! command removes it.

mod add;
mod clone;
pub mod enter;
mod inside;
mod list;
mod record;
mod remove;
mod staging;
mod store;

pub use add::{Added, Adding, add};
pub use clone::clone;
pub use inside::{Inside, inside};
pub use list::{Listed, list};
pub use record::Record;
pub use remove::{Force, remove};
pub use store::{Chroot, Store, location};
