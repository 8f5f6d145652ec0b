//! Forms: reversible transformations of contents, after which two versions of a content have more in common.

mod deflate;
pub mod gzip;
