//! Root filesystems as tar archives. A root filesystem is written to an archive, or made from an archive or an OCI image archive.

pub mod build;
mod layers;
mod location;
mod oci;
pub mod write;
