//! The help of an extension: the file `NAME.write.help` beside it, YAML with the key `help`, and `recorded` if parameters of the extension are to be recorded.

use std::path::{Path, PathBuf};

use baserock::yaml;
use serde::Deserialize;
use system::error::if_exists;
use system::{Error, Result, file};

#[derive(Deserialize)]
struct Help {
    help: String,
    /// The parameters that are recorded in the system.
    #[serde(default)]
    recorded: Vec<String>,
}

/// The help of the extension in this file; `None` if it has none.
pub fn of(extension: &Path) -> Result<Option<String>> {
    Ok(read(extension)?.map(|help| help.help.trim_end().to_owned()))
}

/// The parameters of the extension that are recorded in the system.
pub fn recorded(extension: &Path) -> Result<Vec<String>> {
    Ok(read(extension)?.map(|help| help.recorded).unwrap_or_default())
}

fn read(extension: &Path) -> Result<Option<Help>> {
    let mut path = extension.as_os_str().to_owned();
    path.push(".help");
    let path = PathBuf::from(path);
    let Some(text) = if_exists(file::read_text(&path, yaml::MOST))? else { return Ok(None) };
    yaml::check(&text).map_err(|why| Error::malformed(&path, why))?;
    serde_yaml::from_str(&text)
        .map(Some)
        .map_err(|error| Error::malformed(&path, format!("not YAML with a key `help`: {error}")))
}
