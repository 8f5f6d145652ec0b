//! Chroots: systems that are used without booting, on any Linux and any filesystem.
//!
//! A store is a directory:
//!
//! ```text
//! STORE/LABEL/tree           the root filesystem; on btrfs a subvolume
//! STORE/LABEL/chroot.json    its source, and when it was added
//! STORE/default -> LABEL     the chroot that is entered by default
//! STORE/src                  shared by all chroots, if the user cannot write to /src
//! STORE/.incoming.LABEL      being added: renamed to LABEL when it is complete and on the disk
//! STORE/.removing.LABEL      being removed
//! STORE/.incoming.LABEL.N    a copy of LABEL that process N uses and then removes
//! ```
//!
//! A process locks the hidden folder on which it works. A hidden folder without a lock is left over from a killed process, and the next
//! command removes it.
//!
//! ```no_run
//! use baserock_chroots::{Store, list, location};
//! use system::observer::Silent;
//! use system::namespace::Privilege;
//!
//! # fn main() -> system::Result<()> {
//! if let Some(store) = Store::existing(&location(None)?, Privilege::Root)? {
//!     for chroot in list(&store, &Silent)? {
//!         println!("{} from {}", chroot.label, chroot.record.source);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod add;
mod checked;
mod clone;
pub mod enter;
mod ephemeral;
mod hidden;
mod inside;
mod list;
mod record;
mod refusal;
mod remove;
mod signed;
mod staging;
mod store;
mod version;

pub use add::{Added, Adding, Archive, add};
pub use checked::Checked;
pub use clone::clone;
pub use ephemeral::Ephemeral;
pub use inside::{Inside, inside};
pub use list::{Listed, labels, list};
pub use record::Record;
pub use refusal::Refusal;
pub use remove::{Force, remove};
pub use signed::Signed;
pub use store::{Chroot, Store, location};
pub use version::add_version;
