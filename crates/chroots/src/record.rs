//! `chroot.json`: the record of a chroot, beside its tree.

use std::time::SystemTime;

use baserock::json::{self, Format};
use serde::{Deserialize, Serialize};
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};
use system::utc;

use crate::checked::Checked;

/// The file's name beside the tree.
const FILE: &str = "chroot.json";

/// The record of a chroot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its source: a path or a URL, or the label from which it was cloned.
    pub source: String,
    /// The archive's SHA-256 sum; `None` for a directory.
    pub sha256: Option<String>,
    /// What the archive was checked against; `None` for a directory, and in records of older programs.
    pub checked: Option<Checked>,
    /// Whose signature the archive has; `None` if none was checked.
    pub signed_by: Option<String>,
    /// When it was added, in UTC: `2026-11-23T22:17:35Z`.
    pub added: String,
}

impl Format for Record {}

impl Record {
    /// A record of a chroot that is added now.
    pub fn new(source: impl Into<String>, sha256: Option<String>) -> Self {
        Record {
            source: source.into(),
            sha256,
            checked: None,
            signed_by: None,
            added: utc::text(SystemTime::now()),
        }
    }

    /// Reads the record of a chroot. If there is none, the record is empty.
    pub fn read(chroot: &Dir) -> Result<Self> {
        let Some(bytes) = chroot.read_if_exists(FILE, MOST_TEXT)? else { return Ok(Record::default()) };
        json::read(&bytes).map_err(|fault| Error::malformed(chroot.shown(FILE), fault.to_string()))
    }

    /// Writes the record of a chroot that has none yet.
    pub fn write(&self, chroot: &Dir) -> Result<()> {
        chroot.write_new(FILE, 0o644, &json::file(self)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        assert_eq!(Record::read(&dir).unwrap(), Record::default());
        let record = Record::new("http://h/a.tar", Some("00".into()));
        record.write(&dir).unwrap();
        assert_eq!(Record::read(&dir).unwrap(), record);
        let text = String::from_utf8(dir.read(FILE, MOST_TEXT).unwrap()).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"source\": "), "{text}");
    }

    #[test]
    fn records_before_the_number_are_read_and_newer_ones_refused() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        let write = |text: &str| std::fs::write(place.path().join(FILE), text).unwrap();
        write(r#"{"source": "/a.tar", "sha256": null, "added": "2026-11-23T22:17:35Z"}"#);
        assert_eq!(Record::read(&dir).unwrap().source, "/a.tar");
        write(r#"{"format": 2, "source": "/a.tar"}"#);
        let message = Record::read(&dir).unwrap_err().to_string();
        assert!(message.ends_with("chroot.json: written by a newer program (format 2, this one reads 1)"));
    }
}
