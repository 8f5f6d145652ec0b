//! Turns one tree into another by a stream of differences.
//!
//! A [`manifest::Manifest`] describes everything of a tree that an upgrade has to keep. [`scan::scan`] makes a manifest, and
//! [`verify::verify`] compares it with the tree later. [`plan::Plan`] compares two manifests. [`apply::Apply`] carries the plan out on a
//! writable snapshot of the basis. Contents that the basis does not have come from a tree on this machine ([`update::update`]), or from
//! elsewhere.
//!
//! Has somebody changed a tree?
//!
//! ```no_run
//! use delta::scan::{ReadAll, scan};
//! use delta::verify::verify;
//! use system::dir::Dir;
//!
//! # fn main() -> system::Result<()> {
//! let tree = Dir::open("tree")?;
//! let manifest = scan(&tree, &mut ReadAll, &|_bytes| Ok(()))?;
//! println!("{} names, digest {}", manifest.entries().len(), manifest.digest());
//! // Later:
//! for difference in verify(&tree, &manifest, &|_bytes| Ok(()))? {
//!     println!("{}: {difference}", difference.path().display());
//! }
//! # Ok(())
//! # }
//! ```

pub mod apply;
pub mod blocks;
pub mod codec;
pub mod difference;
pub mod entry;
pub mod form;
pub mod format;
pub mod formed;
pub mod frame;
pub mod hash;
mod hashing;
pub mod index;
pub mod manifest;
pub mod matches;
pub mod plan;
pub mod predecessors;
pub mod recipe;
pub mod record;
pub mod scan;
pub mod seen;
pub mod segment;
pub mod unit;
pub mod update;
pub mod verify;

pub use apply::Tree;
pub use index::{NewIndex, OldIndex};
pub use manifest::Manifest;
pub use plan::Plan;
pub use update::update;
