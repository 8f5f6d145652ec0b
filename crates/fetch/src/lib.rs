//! Sources of archives: a path, a directory, or a URL, read as one stream of bytes.
//!
//! A broken download continues where it ended, as long as the server still has the same file. A checksum is computed while the bytes are
//! read, so nothing is read twice, and nothing is stored before it is used.

mod checksum;
mod download;
mod server;
mod source;

pub use checksum::{Checksum, Hashing};
pub use server::Patience;
pub use source::{Source, Stream};
