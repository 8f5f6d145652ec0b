//! Two trees become a stream of differences, and that becomes a tree.
//!
//! A [`manifest::Manifest`] holds what an upgrade has to keep of a tree; [`scan::scan`] makes one, [`beside`] keeps it beside a version, and
//! [`verify::verify`] tells what a tree has become since.
//! [`plan::Plan`] compares two of them; [`apply::Apply`] carries the plan out on a writable snapshot of the basis. Contents that the basis
//! does not have come from a tree on this machine ([`update::update`]), or from elsewhere.
//!
//! Of versions know only [`beside`] and [`publish`], which gives a tree its place among them.

pub mod apply;
pub mod beside;
pub mod blocks;
pub mod codec;
pub mod difference;
pub mod entry;
pub mod format;
pub mod frame;
pub mod hash;
mod hashing;
pub mod manifest;
pub mod metadata;
pub mod plan;
pub mod predecessors;
pub mod publish;
pub mod record;
pub mod scan;
pub mod segment;
pub mod unit;
pub mod update;
pub mod verify;

pub use apply::Tree;
pub use manifest::Manifest;
pub use plan::Plan;
pub use update::update;
