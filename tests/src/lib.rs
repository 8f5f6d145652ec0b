//! What the suites share: real filesystems, made and destroyed by guards.

pub mod image;
pub mod inputs;
pub mod programs;
pub mod running;
pub mod version;
