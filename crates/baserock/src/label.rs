//! Labels: the names of versions.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use system::error::Error;

/// The name of a version: one path component, safe in a menu, on a kernel command line and on FAT.
///
/// A *new* label is parsed with [`str::parse`]: 1 to 100 characters of `A-Za-z0-9._-`, not starting with `.` or `-`, and not
/// `default`. A label that stands on a volume already may be any file name ([`Label::existing`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// The longest new label, in characters.
pub const MAX_LENGTH: usize = 100;

/// The name beside the versions that is a link to one of them.
const RESERVED: &str = "default";

impl Label {
    /// The label of the first version on a volume.
    pub fn factory() -> Self {
        Label("factory".to_owned())
    }

    /// A label found on a volume: any UTF-8 file name but the reserved ones.
    pub fn existing(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let usable = !name.is_empty()
            && ![".", "..", RESERVED].contains(&name)
            && !name.starts_with('.')
            && !name.contains(['/', '\0', '\n']);
        usable.then(|| Label(name.to_owned()))
    }

    /// A label that somebody names, of a version that should be there.
    pub fn parse_existing(text: &str) -> Result<Self, Error> {
        Label::existing(OsStr::new(text)).ok_or_else(|| Error::refused(format!("invalid label {text:?}")))
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match fault(text) {
            None => Ok(Label(text.to_owned())),
            Some(fault) => Err(Error::refused(format!(
                "invalid label {text:?}: {fault}; use 1 to {MAX_LENGTH} characters of A-Z a-z 0-9 . _ -, \
                 starting with a letter, a digit or _"
            ))),
        }
    }
}

impl TryFrom<String> for Label {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Label::parse_existing(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<Path> for Label {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

fn fault(text: &str) -> Option<String> {
    let foreign = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
    match text {
        "" => Some("it is empty".into()),
        RESERVED => Some("it is reserved for the link to the default version".into()),
        _ if text.starts_with(['.', '-']) => Some(format!("it starts with {:?}", &text[..1])),
        _ if text.chars().count() > MAX_LENGTH => Some(format!("it has {} characters", text.chars().count())),
        _ => text.chars().find(|&c| foreign(c)).map(|c| format!("it contains {c:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_labels_parse() {
        for text in ["factory", "2026-11-23", "v1.2_rc", "_x", "A", &"x".repeat(100)] {
            assert_eq!(text.parse::<Label>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn bad_labels_say_why() {
        for (text, why) in [
            ("", "empty"),
            ("a/b", "'/'"),
            ("..", "starts with"),
            ("a b", "' '"),
            ("-a", "starts with"),
            (".a", "starts with"),
            ("default", "reserved"),
            ("ä", "'ä'"),
            ("a\n", "'\\n'"),
            (&"x".repeat(101), "101 characters"),
        ] {
            let message = text.parse::<Label>().unwrap_err().to_string();
            assert!(message.contains(why), "{text:?}: {message}");
        }
    }

    #[test]
    fn labels_on_a_volume_may_be_any_name() {
        assert!(Label::existing(OsStr::new("my version")).is_some());
        for name in ["default", ".", "..", ".hidden", "a/b", "a\nb", ""] {
            assert!(Label::existing(OsStr::new(name)).is_none(), "{name:?}");
        }
    }
}
