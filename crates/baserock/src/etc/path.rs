//! Paths below `etc` as bytes, with a printable form that loses nothing.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};

use system::error::Error;

/// A path relative to `etc`. It has no leading slash, no `.` and no `..`. The empty path is `etc` itself.
///
/// It is printed and stored as one line of text: bytes that are not printable UTF-8 become `\xNN`, a newline `\n`, a backslash `\\`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtcPath(Vec<u8>);

impl EtcPath {
    /// `etc` itself.
    pub const ROOT: EtcPath = EtcPath(Vec::new());

    /// The path as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for system calls, relative to `etc`.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is `etc` itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of an entry of this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> EtcPath {
        if self.0.is_empty() {
            return EtcPath(name.to_vec());
        }
        EtcPath([&self.0, &b"/"[..], name].concat())
    }

    /// The directory above the path; `None` for `etc` itself.
    pub fn parent(&self) -> Option<EtcPath> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(EtcPath(self.0[..end].to_vec()))
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// Whether the path is `other` or below it.
    pub fn is_within(&self, other: &EtcPath) -> bool {
        match self.0.strip_prefix(&other.0[..]) {
            Some(rest) => other.is_root() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

impl From<&str> for EtcPath {
    fn from(text: &str) -> Self {
        EtcPath(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for EtcPath {
    fn from(bytes: &[u8]) -> Self {
        EtcPath(bytes.to_vec())
    }
}

impl fmt::Display for EtcPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    c if c.is_control() => c.to_string().bytes().try_for_each(|b| write!(f, "\\x{b:02x}"))?,
                    c => write!(f, "{c}")?,
                }
            }
            chunk.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
        }
        Ok(())
    }
}

/// Reads the printed form. A leading `/etc/` is allowed.
impl FromStr for EtcPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = unescape(text.strip_prefix("/etc/").unwrap_or(text)).ok_or_else(|| {
            Error::refused(format!("invalid path {text:?}: a backslash starts \\\\, \\n or \\xNN"))
        })?;
        let strange = |part: &[u8]| matches!(part, b"" | b"." | b"..");
        if !bytes.is_empty() && bytes.split(|&b| b == b'/').any(strange) || bytes.contains(&0) {
            return Err(Error::refused(format!(
                "invalid path {text:?}: give it relative to etc, like ssh/sshd_config"
            )));
        }
        Ok(EtcPath(bytes))
    }
}

impl TryFrom<String> for EtcPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<EtcPath> for String {
    fn from(path: EtcPath) -> String {
        path.to_string()
    }
}

/// The bytes of a printed form; `None` if it has an unknown escape.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after.first()) {
            (b'\\', Some(b'\\')) => (b'\\', &after[1..]),
            (b'\\', Some(b'n')) => (b'\n', &after[1..]),
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(after.get(1..3)?).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, &after[3..])
            }
            (b'\\', _) => return None,
            _ => (first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_form_loses_nothing() {
        for bytes in
            [&b"a/b"[..], b"two\nlines", b"back\\slash", b"\xff\xfe", b"tab\t", "\u{85}ä".as_bytes(), b""]
        {
            let path = EtcPath::from(bytes);
            let text = path.to_string();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(text.parse::<EtcPath>().unwrap(), path, "{text}");
        }
    }

    #[test]
    fn strange_paths_are_refused() {
        for text in ["/x", "a//b", "a/../b", "./a", "a/", "\\q", "\\x0", "a\\x00b"] {
            assert!(text.parse::<EtcPath>().is_err(), "{text}");
        }
        assert_eq!("/etc/fstab".parse::<EtcPath>().unwrap(), EtcPath::from("fstab"));
    }

    #[test]
    fn parents_names_and_containment() {
        let path = EtcPath::from("ssh/sshd_config");
        assert_eq!(path.parent(), Some(EtcPath::from("ssh")));
        assert_eq!(path.name(), b"sshd_config");
        assert_eq!(EtcPath::from("ssh").parent(), Some(EtcPath::ROOT));
        assert_eq!(EtcPath::ROOT.parent(), None);
        assert!(path.is_within(&EtcPath::from("ssh")) && path.is_within(&EtcPath::ROOT));
        assert!(!EtcPath::from("sshd").is_within(&EtcPath::from("ssh")));
    }
}
