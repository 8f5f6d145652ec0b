//! Root filesystems as tar archives: one is written to an archive, or made from one (or from an OCI archive, which is made of some).

pub mod build;
mod layers;
mod location;
mod oci;
pub mod write;
