//! The help of an extension: the file `NAME.write.help` beside it, YAML with one key, `help`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use system::error::{OrCannot, if_exists};
use system::{Error, Result};

#[derive(Deserialize)]
struct Help {
    help: String,
}

/// The help of the extension in this file; `None` if it has none.
pub fn of(extension: &Path) -> Result<Option<String>> {
    let mut path = extension.as_os_str().to_owned();
    path.push(".help");
    let path = PathBuf::from(path);
    let Some(text) = if_exists(fs::read_to_string(&path).or_cannot("read", &path))? else { return Ok(None) };
    let help: Help = serde_yaml::from_str(&text)
        .map_err(|error| Error::malformed(&path, format!("not YAML with a key `help`: {error}")))?;
    Ok(Some(help.help.trim_end().to_owned()))
}
