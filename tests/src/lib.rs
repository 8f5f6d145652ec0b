//! What the suites share: real root filesystems, disks and machines, made and destroyed by guards.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

mod advice;
pub mod bootable;
pub mod bound;
mod built;
pub mod cargo;
pub mod chroot;
pub mod client;
pub mod collection;
#[path = "../crash/mod.rs"]
pub mod crash;
pub mod definitions;
pub mod disk;
pub mod document;
pub mod esp;
pub mod extensions;
pub mod image;
pub mod initramfs;
pub mod inputs;
pub mod inside;
pub mod machine;
pub mod next;
pub mod operations;
pub mod programs;
pub mod proxy;
pub mod published;
pub mod publisher;
pub mod restarting;
pub mod running;
pub mod schema;
pub mod small_guest;
pub mod soundness;
pub mod ssh;
pub mod sshd;
pub mod steps;
pub mod trees;
pub mod version;
pub mod web;
