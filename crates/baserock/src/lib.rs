//! Versions of a whole operating system side by side on btrfs: their layout, boot menu, `/etc` and the operations on them.
//!
//! The modules stand on floors, and a module uses only modules on a lower floor:
//!
//! - **values** compute: [`label`], [`layout`], [`extension`], [`json`], [`meta`], [`fstab`], [`boot`], [`refusal`], the rules in [`etc`];
//! - **rootfs** reads and changes root filesystems as opened directories, and does not know volumes: [`rootfs`];
//! - **volume** answers questions about an opened volume: [`volume`];
//! - **operations** order the steps, and undo them on failure: [`operations`].
//!
//! They change the machine only through the crate `system`.
//!
//! This lists the versions on a disk image:
//!
//! ```no_run
//! use baserock::volume::{Location, Opening, Purpose, Volume};
//! use system::lock::Patience;
//!
//! # fn main() -> baserock::Result<()> {
//! let image = Location::Path("disk.img".into());
//! let volume = Volume::open(&Opening { location: image, purpose: Purpose::Look, patience: Patience::Refuse })?;
//! for version in volume.versions()? {
//!     println!("{}{}", version.label, if version.default { " (default)" } else { "" });
//! }
//! # Ok(())
//! # }
//! ```

pub mod boot;
pub mod duration;
pub mod etc;
pub mod extension;
pub mod fstab;
pub mod history;
pub mod json;
pub mod label;
pub mod layout;
pub mod meta;
pub mod naming;
pub mod operations;
pub mod origin;
pub mod os_release;
pub mod refusal;
pub mod remarks;
pub mod renaming;
pub mod rootfs;
pub mod volume;
pub mod yaml;

pub use label::{ExistingLabel, Label};
pub use refusal::Refusal;
pub use system::{Error, Result, btrfs};
