//! What was done to the versions of a volume: an event a line, as JSON.

use serde::{Deserialize, Serialize};

use crate::json::{self, Format};
use crate::label::ExistingLabel;

/// The most bytes of the file. When it is longer, the older half is dropped.
pub const MOST: u64 = 1 << 20;

/// What was done to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It was deployed.
    Deployed,
    /// It was made as a copy of `from`.
    Copied,
    /// It had the label `from` before.
    Renamed,
    /// It was made the default.
    DefaultSet,
    /// The boot loader was told to boot it once.
    Tried,
    /// It came up for the first time.
    CameUp,
    /// Its trial was confirmed: it is the default.
    Confirmed,
    /// The machine came back from its trial; `words` says why.
    CameBack,
    /// Later changes of `/etc` of `from` were merged into it.
    Merged,
    /// It was removed.
    Removed,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was done, in UTC.
    pub time: String,
    /// What was done.
    pub event: Deed,
    /// The version.
    pub label: ExistingLabel,
    /// The other version, if the deed has one.
    #[serde(default)]
    pub from: Option<ExistingLabel>,
    /// Who did it; `None` if that is not known, or if the machine did it.
    #[serde(default)]
    pub by: Option<String>,
    /// More, in words.
    #[serde(default)]
    pub words: String,
}

impl Format for Event {}

impl Deed {
    /// The deed for people. It stands before the label of the version.
    pub fn shown(self) -> &'static str {
        match self {
            Deed::Deployed => "deployed",
            Deed::Copied => "copied",
            Deed::Renamed => "renamed",
            Deed::DefaultSet => "default set",
            Deed::Tried => "tried",
            Deed::CameUp => "came up",
            Deed::Confirmed => "confirmed",
            Deed::CameBack => "came back",
            Deed::Merged => "merged",
            Deed::Removed => "removed",
        }
    }
}

/// The events of a file. A line that is no event is left out: the power may have gone while the last one was written, and a newer program may
/// know more.
pub fn parse(bytes: &[u8]) -> Vec<Event> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| json::read(line).ok()).collect()
}

/// The lines of the newer half of a file.
pub fn newer_half(bytes: &[u8]) -> &[u8] {
    let half = bytes.get(bytes.len() / 2..).unwrap_or_default();
    let begin = half.iter().position(|byte| *byte == b'\n').map_or(half.len(), |at| at + 1);
    half.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_and_one_of_a_newer_program_are_left_out() {
        let lines = r#"{"time":"t","event":"deployed","label":"a"}
{"time":"t","event":"exploded","label":"a"}
{"format":2,"time":"t","event":"removed","label":"a"}
{"time":"t","event":"renamed","label":"b","from":"a","by":"joe","words":""}
{"time":"t","eve"#;
        let events = parse(lines.as_bytes());
        let told: Vec<_> = events.iter().map(|event| (event.event, event.label.as_str())).collect();
        assert_eq!(told, [(Deed::Deployed, "a"), (Deed::Renamed, "b")]);
        assert_eq!(events[1].by.as_deref(), Some("joe"));
    }

    #[test]
    fn the_newer_half_begins_with_a_whole_line() {
        assert_eq!(newer_half(b"one\ntwo\nthree\nfour\n"), b"four\n");
        assert_eq!(newer_half(b""), b"");
        assert_eq!(newer_half(b"no end of line"), b"");
    }
}
