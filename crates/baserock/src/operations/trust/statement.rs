//! What somebody signs about versions: that a label belongs to a tree. The index of a repository is such a statement, with more in it.

use delta::hash::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::json::{self, Format};
use crate::label::ExistingLabel;

/// Bytes of a statement and its signatures at most.
pub const MOST_STATEMENT: u64 = 16 << 20;

/// A statement about versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The versions.
    pub versions: Vec<Stated>,
}

impl Format for Statement {}

/// What is said of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Its label.
    pub label: ExistingLabel,
    /// Its manifest.
    pub manifest: StatedManifest,
}

/// What is said of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedManifest {
    /// Its digest, which covers every name and every content of the tree.
    pub digest: Digest,
}

/// A hash, as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub Hash);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::parse(&text).map(Digest).ok_or_else(|| de::Error::custom("no hash of 64 hexadecimal digits"))
    }
}

impl Statement {
    /// That this label belongs to the tree whose manifest has this digest.
    pub fn of(label: &ExistingLabel, digest: Hash) -> Self {
        let manifest = StatedManifest { digest: Digest(digest) };
        Statement { versions: vec![Stated { label: label.clone(), manifest }] }
    }

    /// The text, which is signed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&json::file(self)).into_owned()
    }

    /// Parses a text. `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        json::read(text.as_bytes()).ok()
    }

    /// Whether it is about the tree with this digest, by this label if one is given.
    pub fn is_about(&self, label: Option<&ExistingLabel>, digest: Hash) -> bool {
        let is_meant = |stated: &Stated| label.is_none_or(|label| stated.label == *label);
        self.versions.iter().any(|stated| is_meant(stated) && stated.manifest.digest.0 == digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_about_a_label_and_a_tree() {
        let label = |text: &str| text.parse::<ExistingLabel>().unwrap();
        let (one, other) = (Hash::of(b"one"), Hash::of(b"other"));
        let statement = Statement::parse(&Statement::of(&label("v1"), one).text()).unwrap();
        assert!(statement.is_about(Some(&label("v1")), one) && statement.is_about(None, one));
        assert!(
            !statement.is_about(Some(&label("v2")), one) && !statement.is_about(Some(&label("v1")), other)
        );
        assert_eq!(Statement::parse("{}"), None);
    }
}
