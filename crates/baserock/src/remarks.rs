//! `remarks.json`: what people say about a version.

use std::path::Path;

use serde::{Deserialize, Serialize};
use system::error::{Error, Result};

use crate::json::{self, Format};

/// The longest note, in characters.
const MAX_NOTE: usize = 500;

/// What people say about a version. All is empty where there is no record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks {
    /// Whether it is pinned: never removed.
    #[serde(default)]
    pub pinned: bool,
    /// A note: one line, or nothing.
    #[serde(default)]
    pub note: String,
    /// Which revision it was made from, as the deployer says: one line, or nothing.
    #[serde(default)]
    pub revision: String,
}

impl Format for Remarks {}

impl Remarks {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| {
            Error::malformed(shown, format!("{}; mend or remove it", fault.in_a("remarks about a version")))
        })
    }

    /// The file's bytes, with a final newline.
    pub fn render(&self) -> Vec<u8> {
        json::file(self)
    }
}

/// Fails unless the text can be a note: one line without control characters. It may be empty.
pub fn check_note(text: &str) -> Result<()> {
    if text.chars().any(char::is_control) {
        return Err(Error::refused(format!("the note {text:?} is more than one line of plain text")));
    }
    match text.chars().count() {
        count if count > MAX_NOTE => {
            Err(Error::refused(format!("the note has {count} characters, and {MAX_NOTE} at most are kept")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_written_and_read_and_a_newer_format_is_refused() {
        let remarks = Remarks { pinned: true, note: "before the move".into(), revision: "v1-3-gabc".into() };
        let shown = Path::new("remarks.json");
        let text = String::from_utf8(remarks.render()).unwrap();
        assert_eq!(Remarks::parse(text.as_bytes(), shown).unwrap(), remarks);
        assert_eq!(Remarks::parse(b"{}", shown).unwrap(), Remarks::default());
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        let error = Remarks::parse(newer.as_bytes(), shown).unwrap_err().to_string();
        assert!(error.contains("written by a newer program") && error.contains("remove it"), "{error}");
    }

    #[test]
    fn a_note_is_one_line_and_not_long() {
        for text in ["", "before the move", "für später"] {
            check_note(text).unwrap();
        }
        for (text, words) in [
            ("a\nb", "more than one line"),
            ("a\u{1b}[0m", "plain text"),
            (&"x".repeat(501), "501 characters, and 500"),
        ] {
            let error = check_note(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
