//! `chroot.json`: the record of a chroot, beside its tree.

use std::time::{SystemTime, UNIX_EPOCH};

use baserock::json::{self, Format};
use serde::{Deserialize, Serialize};
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};

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
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Record { source: source.into(), sha256, checked: None, signed_by: None, added: date(seconds) }
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

/// Turns seconds since 1970 into a date and time in UTC.
fn date(seconds: u64) -> String {
    let (days, time) = (seconds / 86400, seconds % 86400);
    // If years begin in March, the leap day is the last day of a year. All eras of 400 years are alike.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_472_255, "2026-11-23T22:17:35Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

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
