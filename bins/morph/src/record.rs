//! The record of an artifact that was built here.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use system::dir::Dir;
use system::error::{OrCannot, if_exists};
use system::{Error, Result, atomic};

/// The record of one artifact, in `.morph/NAME.json` among the artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The hash of its inputs.
    pub inputs: String,
    /// The definitions repository.
    pub repository: PathBuf,
    /// The system's definition in it.
    pub definition: PathBuf,
}

/// The ending of records.
const ENDING: &str = "json";

impl Record {
    /// Reads the record of the artifact of this name; `None` if it was not built here.
    pub fn read(records: &Path, name: &str) -> Result<Option<Record>> {
        let path = records.join(format!("{name}.{ENDING}"));
        let Some(bytes) = if_exists(fs::read(&path).or_cannot("read", &path))? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes);
        record.map(Some).map_err(|error| Error::malformed(&path, format!("{error}; remove the file")))
    }

    /// Writes the record.
    pub fn write(&self, records: &Path, name: &str) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        atomic::write(&Dir::open(records)?, &format!("{name}.{ENDING}"), 0o644, &text)
    }

    /// Removes the record of an artifact.
    pub fn forget(records: &Path, name: &str) -> Result<()> {
        Dir::open(records)?.remove_tree(format!("{name}.{ENDING}"))
    }

    /// The names of all artifacts that have a record.
    pub fn names(records: &Path) -> Result<Vec<String>> {
        let entries = Dir::open(records)?.entries()?;
        let name = |file: &str| file.strip_suffix(&format!(".{ENDING}")).map(str::to_owned);
        Ok(entries.iter().filter_map(|entry| name(entry.name.to_str()?)).collect())
    }
}
