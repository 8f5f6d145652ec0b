//! Names of members. They are always relative to the new tree.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path and the longest component that the kernel accepts, in bytes.
const LONGEST_PATH: usize = 4095;
const LONGEST_COMPONENT: usize = 255;

/// Most characters of a name that a message shows.
const SHOWN: usize = 80;

/// A checked name: components joined by `/`. None of them is empty, `.` or `..`. The name of the tree itself is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

impl Name {
    /// Checks a name from an archive. A leading `/` means the new tree; `..` is refused.
    pub fn parse(raw: &[u8]) -> Result<Self, String> {
        let mut name = Vec::with_capacity(raw.len());
        for component in raw.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            if component == b".." {
                return Err(format!("{} leads out of the tree by ..", shown(raw)));
            }
            if component.contains(&0) {
                return Err(format!("{} holds a zero byte", shown(raw)));
            }
            if component.len() > LONGEST_COMPONENT {
                return Err(format!(
                    "{} has a part of {} bytes; at most {LONGEST_COMPONENT} work",
                    shown(raw),
                    component.len()
                ));
            }
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(component);
        }
        if name.len() > LONGEST_PATH {
            return Err(format!("{} has {} bytes, more than a path can have", shown(raw), name.len()));
        }
        Ok(Name(name))
    }

    /// Checks a name without its first components. `None` if it has no more than these. As in GNU tar, a leading `.` is one of them.
    pub fn stripped(raw: &[u8], strip: usize) -> Result<Option<Self>, String> {
        if strip == 0 {
            return Self::parse(raw).map(Some);
        }
        Self::parse(raw)?;
        let rest: Vec<&[u8]> =
            raw.split(|&b| b == b'/').filter(|part| !part.is_empty()).skip(strip).collect();
        if rest.is_empty() { Ok(None) } else { Self::parse(&rest.join(&b'/')).map(Some) }
    }

    /// Memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }

    /// The components.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/')
    }

    /// The name as a relative path. It is empty for the tree itself.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is the tree itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that the member is in, and its name there.
    pub fn split(&self) -> (&Path, &Path) {
        let slash = self.0.iter().rposition(|&b| b == b'/');
        let (parent, last) = match slash {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[][..], &self.0[..]),
        };
        (Path::new(OsStr::from_bytes(parent)), Path::new(OsStr::from_bytes(last)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(if self.is_root() { b"." } else { &self.0 }))
    }
}

/// A name for a message: in one line, and not too long.
pub fn shown(raw: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(raw).chars().flat_map(char::escape_debug).collect();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_relative() {
        for (raw, path) in [
            ("./usr//bin/", "usr/bin"),
            ("/etc/passwd", "etc/passwd"),
            ("./", ""),
            ("a", "a"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(Name::parse(raw.as_bytes()).unwrap().path(), Path::new(path));
        }
        assert_eq!(Name::parse(b"a/b/c").unwrap().split(), (Path::new("a/b"), Path::new("c")));
        assert_eq!(Name::parse(b"a").unwrap().split(), (Path::new(""), Path::new("a")));
    }

    #[test]
    fn first_components_are_left_out() {
        for (raw, strip, rest) in [
            ("a/b/c", 1, Some("b/c")),
            ("./a/b", 1, Some("a/b")),
            ("/a//b/", 1, Some("b")),
            ("a/b", 2, None),
            ("a/", 1, None),
            ("a", 0, Some("a")),
        ] {
            let name = Name::stripped(raw.as_bytes(), strip).unwrap();
            assert_eq!(name.as_ref().map(Name::path), rest.map(Path::new), "{raw} {strip}");
        }
        assert!(Name::stripped(b"../a/b", 1).is_err());
    }

    #[test]
    fn errors_tell_the_fault_of_a_name() {
        for (raw, why) in [
            ("../x", "leads out"),
            ("a/../../x", "leads out"),
            (&"x".repeat(256), "256 bytes"),
            (&"ab/".repeat(1400), "more than a path"),
            ("a\0b", "zero"),
        ] {
            let message = Name::parse(raw.as_bytes()).unwrap_err();
            assert!(message.contains(why) && message.len() < 200, "{message}");
        }
    }
}
