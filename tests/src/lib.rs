//! What the suites share: real root filesystems, disks and machines, made and destroyed by guards.

pub mod image;
pub mod inputs;
pub mod machine;
pub mod programs;
pub mod running;
pub mod version;
