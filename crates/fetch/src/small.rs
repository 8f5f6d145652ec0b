//! Small files of this machine.

use std::path::Path;

use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::resolve::Links;

/// Most bytes of a small file.
pub const MOST_TEXT: u64 = 1 << 20;

/// The content of a small file; `None` if there is no such file.
pub fn read_small(path: &Path) -> Result<Option<Vec<u8>>> {
    let absolute = std::path::absolute(path).or_cannot("find", path)?;
    let read =
        Dir::open("/")?.read_with(absolute.strip_prefix("/").unwrap_or(&absolute), Links::InRoot, MOST_TEXT);
    if_exists(read)
}
