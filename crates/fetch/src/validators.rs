//! What tells a file on a server from a newer one of the same name.

use std::time::Duration;

use httpdate::parse_http_date;

/// The `ETag` of a file, and the time of its last change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    tag: Option<String>,
    modified: Option<String>,
    /// Whether the file was left alone for a while before it was sent, so that the time of the last change means one content only.
    settled: bool,
}

/// A file that changes twice within this time may have the same time of its last change.
const SETTLED: Duration = Duration::from_secs(60);

impl Validators {
    /// From the headers `ETag`, `Last-Modified` and `Date`.
    pub fn new(tag: Option<&str>, modified: Option<&str>, date: Option<&str>) -> Self {
        let time = |text: Option<&str>| text.and_then(|text| parse_http_date(text).ok());
        let age =
            time(date).zip(time(modified)).and_then(|(date, modified)| date.duration_since(modified).ok());
        Validators {
            tag: tag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            settled: age.is_some_and(|age| age >= SETTLED),
        }
    }

    /// The validator that promises identical bytes, if there is one. A weak tag does not.
    pub fn strong(&self) -> Option<&str> {
        let tag = self.tag.as_deref().filter(|tag| !tag.starts_with("W/"));
        tag.or(self.modified.as_deref().filter(|_| self.settled))
    }

    /// Whether these, of the rest of a file, are certainly those of the same file: the strong one is the same, and no other one differs.
    pub fn are_those_of(&self, known: &Validators) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| matches!((one, other), (Some(one), Some(other)) if one != other);
        let Some(strong) = known.strong() else { return false };
        [&self.tag, &self.modified].into_iter().flatten().any(|own| own == strong)
            && !differ(&self.tag, &known.tag)
            && !differ(&self.modified, &known.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SAME_MINUTE: &str = "Sun, 06 Nov 1994 08:49:57 GMT";
    const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

    #[test]
    fn only_what_promises_identical_bytes_is_strong() {
        for (tag, modified, date, strong) in [
            (Some("\"a\""), None, None, Some("\"a\"")),
            (Some("W/\"a\""), None, None, None),
            (Some("W/\"a\""), Some(OLD), Some(LATER), Some(OLD)),
            (None, Some(OLD), Some(SAME_MINUTE), None),
            (None, Some(OLD), None, None),
            (None, Some("nonsense"), Some(LATER), None),
            (None, None, None, None),
        ] {
            assert_eq!(Validators::new(tag, modified, date).strong(), strong);
        }
    }

    #[test]
    fn a_rest_without_the_same_validators_is_of_another_file() {
        let known = Validators::new(Some("W/\"a\""), Some(OLD), Some(LATER));
        for (tag, modified, same) in [
            (Some("W/\"a\""), Some(OLD), true),
            (None, Some(OLD), true),
            (Some("W/\"b\""), Some(OLD), false),
            (Some("W/\"a\""), Some(LATER), false),
            (Some("W/\"a\""), None, false),
            (None, None, false),
        ] {
            assert_eq!(
                Validators::new(tag, modified, None).are_those_of(&known),
                same,
                "{tag:?} {modified:?}"
            );
        }
        let weak = Validators::new(Some("W/\"a\""), None, None);
        assert!(!weak.are_those_of(&weak));
    }
}
