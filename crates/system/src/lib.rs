//! The ground floor. Each module does one thing to a Linux machine and is named after it. No module knows versions.
//!
//! Every change of the disk is one call of [`step::change`], so that tests can make each one fail. All `unsafe` code is in [`sys`]. Only
//! [`process`] starts programs. The library never prints: it reports through an [`observer::Observer`].
//!
//! ```
//! use system::dir::{Dir, MOST_TEXT};
//!
//! # fn main() -> system::Result<()> {
//! // All work is done below a directory that was opened once. Every error names the failed action and the path.
//! let etc = Dir::open("/etc")?;
//! assert!(etc.has("passwd")?);
//! let error = etc.read("no-such-file", MOST_TEXT).unwrap_err();
//! assert!(error.is_not_found());
//! assert_eq!(error.to_string(), "cannot open /etc/no-such-file: No such file or directory");
//! # Ok(())
//! # }
//! ```

pub mod atomic;
pub mod btrfs;
pub mod copy;
pub mod dir;
pub mod error;
pub mod extents;
pub mod fat;
pub mod file;
pub mod flags;
pub mod folder;
pub mod inode;
pub mod lock;
pub mod loopdev;
pub mod metadata;
pub mod mount;
pub mod mountinfo;
pub mod namespace;
pub mod observer;
pub mod overwrite;
pub mod owners;
pub mod partitions;
pub mod process;
pub mod remove;
pub mod resolve;
pub mod restart;
pub mod sharing;
pub mod signal;
pub mod snapshot;
pub mod step;
pub mod superblock;
pub mod swap;
pub mod sys;
pub mod thread;
pub mod trail;
pub mod umask;
pub mod undo;
pub mod uptime;
pub mod utc;
pub mod walk;
pub mod write_behind;

pub use error::{Error, Result};
