//! Labels: the names of versions.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use system::error::Error;

/// The name of an existing version: one path component. The original tools allowed any file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExistingLabel(String);

/// The name of a new version: safe in a menu, on a kernel command line and on FAT.
///
/// It has 1 to 100 characters of `A-Za-z0-9._-`, does not start with `.` or `-`, and is not `default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(ExistingLabel);

/// The longest new label, in characters.
pub const MAX_LENGTH: usize = 100;

/// The name of the link beside the versions, which points to one of them.
const RESERVED: &str = "default";

impl ExistingLabel {
    /// The label in a file name on a volume. Any UTF-8 file name is a label except reserved ones, which give `None`.
    pub fn of_file(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let usable = !name.is_empty()
            && ![".", "..", RESERVED].contains(&name)
            && !name.starts_with('.')
            && !name.contains(['/', '\0', '\n']);
        usable.then(|| ExistingLabel(name.to_owned()))
    }

    /// The label of the first version on a volume.
    pub fn factory() -> Self {
        ExistingLabel("factory".to_owned())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Label {
    /// The label of the first version on a volume.
    pub fn factory() -> Self {
        Label(ExistingLabel::factory())
    }
}

/// The label of a new version can be used wherever that of an existing one is expected.
impl Deref for Label {
    type Target = ExistingLabel;

    fn deref(&self) -> &ExistingLabel {
        &self.0
    }
}

impl From<Label> for ExistingLabel {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl FromStr for ExistingLabel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        ExistingLabel::of_file(OsStr::new(text))
            .ok_or_else(|| Error::refused(format!("invalid label {text:?}")))
    }
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match fault(text) {
            None => Ok(Label(ExistingLabel(text.to_owned()))),
            Some(fault) => Err(Error::refused(format!(
                "invalid label {text:?}: {fault}; use 1 to {MAX_LENGTH} characters of A-Z a-z 0-9 . _ -, \
                 starting with a letter, a digit or _"
            ))),
        }
    }
}

impl TryFrom<String> for ExistingLabel {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ExistingLabel> for String {
    fn from(label: ExistingLabel) -> String {
        label.0
    }
}

impl fmt::Display for ExistingLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsRef<Path> for ExistingLabel {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<Path> for Label {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
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
        assert!(ExistingLabel::of_file(OsStr::new("my version")).is_some());
        for name in ["default", ".", "..", ".hidden", "a/b", "a\nb", ""] {
            assert!(ExistingLabel::of_file(OsStr::new(name)).is_none(), "{name:?}");
        }
    }
}
