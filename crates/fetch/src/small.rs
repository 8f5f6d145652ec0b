//! Small files of this machine.

use std::path::Path;

use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::resolve::Links;

/// Most bytes of a small file.
pub const MOST_TEXT: u64 = 1 << 20;

/// The text of a small file; `None` if there is no such file.
pub fn read_small(path: &Path) -> Result<Option<String>> {
    let absolute = std::path::absolute(path).or_cannot("find", path)?;
    let read =
        Dir::open("/")?.read_with(absolute.strip_prefix("/").unwrap_or(&absolute), Links::InRoot, MOST_TEXT);
    Ok(if_exists(read)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
