//! What the suites share: real filesystems, made and destroyed by guards.

pub mod image;
