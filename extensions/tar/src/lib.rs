//! Root filesystems as tar archives. A root filesystem is written to an archive, or made from an archive or an archive of images.

mod bounded;
pub mod build;
mod content;
mod docker;
pub mod image;
pub mod layers;
mod location;
mod oci;
pub mod write;
