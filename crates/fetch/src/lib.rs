//! Sources of archives: a path, a directory, or a URL, read as one stream of bytes.
//!
//! A broken download continues where it ended, as long as the server still has the same file. A checksum is computed while the bytes are
//! read, so nothing is read twice, and nothing is stored before it is used.
//!
//! ```no_run
//! use baserock_fetch::{Hashing, Patience, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let source = Source::parse("https://example.org/debian.tar.zst".as_ref())?;
//! let mut bytes = Hashing::new(source.open(Patience::default())?.reader);
//! std::io::copy(&mut bytes, &mut std::io::sink())?;
//! let sum = bytes.finish();
//! if let Some(expected) = source.checksum_beside(Patience::default())? {
//!     sum.verify(expected, "debian.tar.zst")?;
//! }
//! # Ok(())
//! # }
//! ```

mod attempts;
mod checksum;
mod connection;
mod download;
mod failure;
mod forward;
mod netrc;
mod parts;
mod proxy;
mod refusal;
mod server;
mod small;
mod source;
mod url;
mod validators;
mod waiting;

pub use checksum::{Checksum, Hashing};
pub use failure::Failure;
pub use failure::Patience;
pub use netrc::entry as netrc_entry;
pub use parts::Parts;
pub use proxy::{Route, route};
pub use refusal::Refusal;
pub use source::{Source, Stream};
pub use url::{Url, shown};
