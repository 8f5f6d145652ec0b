//! Where archives come from: a path, a directory, or a URL, read as one stream of bytes.
//!
//! A download goes on where it broke off, as long as the server still has the same file. A checksum is computed while the bytes
//! pass, so that nothing is read twice and nothing is stored before it is used.

mod checksum;
mod download;
mod server;
mod source;

pub use checksum::{Checksum, Hashing};
pub use source::{Patience, Source, Stream};
