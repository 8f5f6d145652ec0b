//! What the suites share: real root filesystems, disks and machines, made and destroyed by guards.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

pub mod bootable;
pub mod chroot;
pub mod client;
pub mod definitions;
pub mod extensions;
pub mod image;
pub mod inputs;
pub mod machine;
pub mod next;
pub mod programs;
pub mod proxy;
pub mod running;
pub mod ssh;
pub mod sshd;
pub mod version;
pub mod web;
