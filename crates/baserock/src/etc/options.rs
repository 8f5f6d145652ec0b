//! The options of a merge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use system::error::Error;

use super::path::EtcPath;

/// The options of a merge.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Paths that are not merged but taken whole from one side, with everything below them.
    pub take: Vec<Take>,
    /// The same, from the merge that this one repeats. They do nothing where the path is gone, or where `take` says otherwise.
    pub earlier_take: Vec<Take>,
    /// Whether to merge as the original tools did.
    pub original_rules: bool,
    /// Whether the new version was given its host name on purpose, so that the machine's own must not replace it.
    pub hostname_from_new: bool,
    /// The completed texts of `fstab` (old version's, user's, new version's). They are merged instead of those in the trees.
    pub fstab: Option<[Option<Vec<u8>>; 3]>,
}

/// The options that decided a merge. A merge that repeats it must use them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// [`Options::take`], earlier ones included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<Take>,
    /// [`Options::original_rules`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub original_rules: bool,
    /// [`Options::hostname_from_new`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hostname_from_new: bool,
}

/// A path that is taken whole from one side. Parses `PATH=user` and `PATH=new`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Take {
    /// The path, with everything below it.
    pub path: EtcPath,
    /// The side that it is taken from.
    pub side: Side,
}

/// The two sides of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The machine.
    User,
    /// The new version.
    New,
}

impl Options {
    /// The side from which this path is taken whole, if the user chose one. The longest matching path decides.
    pub fn taken(&self, path: &EtcPath) -> Option<Side> {
        // Of equally long paths the last counts.
        let takes = self.earlier_take.iter().chain(&self.take);
        let covering = takes.filter(|take| path.is_within(&take.path));
        covering.max_by_key(|take| take.path.as_bytes().len()).map(|take| take.side)
    }

    /// The options that decide, for the record.
    pub fn choices(&self) -> Choices {
        let is_overruled = |earlier: &&Take| self.take.iter().any(|take| take.path == earlier.path);
        let earlier = self.earlier_take.iter().filter(|earlier| !is_overruled(earlier));
        Choices {
            take: earlier.chain(&self.take).cloned().collect(),
            original_rules: self.original_rules,
            hostname_from_new: self.hostname_from_new,
        }
    }
}

impl Choices {
    /// Whether everything was left to the rules.
    pub fn is_empty(&self) -> bool {
        *self == Choices::default()
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.side == Side::User { "user" } else { "new" };
        write!(f, "{}={side}", self.path)
    }
}

impl From<Take> for String {
    fn from(take: Take) -> String {
        take.to_string()
    }
}

impl TryFrom<String> for Take {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for Take {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (path, side) = match text.rsplit_once('=') {
            Some((path, "user")) => (path, Side::User),
            Some((path, "new")) => (path, Side::New),
            _ => return Err(Error::refused(format!("cannot take {text:?}: write PATH=user or PATH=new"))),
        };
        match path.parse::<EtcPath>()? {
            path if path.is_root() => Err(Error::refused("cannot take all of etc: name a path in it")),
            path => Ok(Take { path, side }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_names_a_path_and_a_side() {
        let take: Take = "/etc/a=b=user".parse().unwrap();
        assert_eq!(take.to_string(), "a=b=user");
        assert_eq!(take, Take { path: EtcPath::from("a=b"), side: Side::User });
        for text in ["a", "a=both", "=new", "../x=new"] {
            assert!(text.parse::<Take>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_path_decides() {
        let take = ["ssh=user", "ssh/moduli=new"].map(|text| text.parse().unwrap()).to_vec();
        let options = Options { take, ..Options::default() };
        assert_eq!(options.taken(&EtcPath::from("ssh/moduli")), Some(Side::New));
        assert_eq!(options.taken(&EtcPath::from("ssh/x")), Some(Side::User));
        assert_eq!(options.taken(&EtcPath::from("sshd")), None);
    }

    #[test]
    fn an_earlier_choice_counts_until_another_is_made() {
        let [a, b, other] = ["a=user", "b=user", "b=new"].map(|text| text.parse::<Take>().unwrap());
        let options =
            Options { earlier_take: vec![a.clone(), b], take: vec![other.clone()], ..Options::default() };
        assert_eq!(options.taken(&EtcPath::from("a")), Some(Side::User));
        assert_eq!(options.taken(&EtcPath::from("b")), Some(Side::New));
        assert_eq!(options.choices().take, [a, other]);
    }
}
