//! Atomic upgrades and rollback of whole operating systems on btrfs.
//!
//! The modules stand on floors, and a module uses only what stands on a floor below it:
//!
//! - **values** compute: [`label`], [`layout`], [`extension`], [`meta`], [`mountinfo`], [`fstab`], [`boot`], the rules in [`etc`];
//! - **system** does one thing to the machine: [`sys`], [`step`], [`dir`], [`btrfs`], [`copy`], [`mount`], [`namespace`], [`process`];
//! - **volume** answers questions about an opened volume: [`volume`];
//! - **operations** order the steps, and undo them on failure: [`operations`].
//!
//! The library never prints: it reports through an [`observer::Observer`] and returns values.

pub mod atomic;
pub mod boot;
pub mod btrfs;
pub mod copy;
pub mod dir;
pub mod error;
pub mod etc;
pub mod extension;
pub mod fat;
pub mod fstab;
pub mod label;
pub mod layout;
pub mod lock;
pub mod loopdev;
pub mod meta;
pub mod mount;
pub mod mountinfo;
pub mod namespace;
pub mod observer;
pub mod operations;
pub mod partitions;
pub mod process;
pub mod resolve;
pub mod signal;
pub mod step;
pub mod superblock;
pub mod sys;
pub mod undo;
pub mod volume;

pub use error::{Error, Result};
pub use label::Label;
