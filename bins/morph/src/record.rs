//! The record of an artifact that was built here.

use std::path::{Path, PathBuf};

use baserock::json::{self, Format};
use serde::{Deserialize, Serialize};
use system::dir::{Dir, MOST_TEXT};
use system::error::if_exists;
use system::{Error, Result, atomic, file};

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

impl Format for Record {}

impl Record {
    /// Reads the record of the artifact of this name; `None` if it was not built here.
    pub fn read(records: &Path, name: &str) -> Result<Option<Record>> {
        let path = records.join(format!("{name}.{ENDING}"));
        let Some(bytes) = if_exists(file::read(&path, MOST_TEXT))? else { return Ok(None) };
        let record = json::read(&bytes);
        record.map(Some).map_err(|fault| Error::malformed(&path, format!("{fault}; remove the file")))
    }

    /// Writes the record.
    pub fn write(&self, records: &Path, name: &str) -> Result<()> {
        atomic::write(&Dir::open(records)?, &format!("{name}.{ENDING}"), 0o644, &json::file(self))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn records_before_the_number_are_read_and_newer_ones_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.json");
        fs::write(&file, r#"{"inputs": "00", "repository": "/r", "definition": "systems/a.morph"}"#).unwrap();
        let record = Record::read(place.path(), "a").unwrap().unwrap();
        record.write(place.path(), "a").unwrap();
        assert_eq!(Record::read(place.path(), "a").unwrap().unwrap(), record);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"inputs\": \"00\",\n"), "{text}");
        fs::write(&file, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        let message = Record::read(place.path(), "a").unwrap_err().to_string();
        let end = "a.json: written by a newer program (format 2, this one reads 1); remove the file";
        assert!(message.ends_with(end), "{message}");
    }
}
