//! The extension protocol: the meaning of a deployment's parameters.
//!
//! An extension is a program that gets its parameters as environment variables. The library never reads the environment itself.
//! Programs hand it over once, as an [`Environment`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use system::error::{Error, Result};

use crate::label::Label;

/// The environment variables of an extension, read by name. Every error names the variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    /// Makes it from pairs of name and value: `std::env::vars_os().collect()`. A later pair wins.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Environment(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Environment {
    /// Every variable, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The value as it is; `None` if the variable is not set.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value as text, which may be empty; `None` if the variable is not set.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        value
            .to_str()
            .map(Some)
            .ok_or_else(|| Error::refused(format!("{name} is not UTF-8: {}", value.display())))
    }

    /// The value as text. It is an error if the variable is not set or empty.
    pub fn required(&self, name: &str) -> Result<&str> {
        match self.text(name)? {
            None => Err(Error::refused(format!("{name} is not set; give it a value"))),
            Some("") => Err(Error::refused(format!("{name} is empty; give it a value"))),
            Some(text) => Ok(text),
        }
    }

    /// A boolean ([`parse_boolean`]), or `default` if the variable is not set.
    pub fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        parse_boolean(text).ok_or_else(|| {
            Error::refused(format!("{name} is {text:?}; use yes, 1 or true, or no, 0 or false"))
        })
    }

    /// A number of bytes ([`parse_size`]); `None` if the variable is not set.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let size = parse_size(text).ok_or_else(|| {
            Error::refused(format!("{name} is {text:?}; use a number of bytes, or one with K, M, G or T: 4G"))
        })?;
        Ok(Some(size))
    }

    /// A number of things, from 0 on; `None` if the variable is not set. `what` is their name: `versions`.
    pub fn count(&self, name: &str, what: &str) -> Result<Option<usize>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = text
            .parse()
            .map_err(|_| Error::refused(format!("{name} is {text:?}; use a number of {what}")))?;
        Ok(Some(number))
    }

    /// The label of a new version; `None` if the variable is not set.
    pub fn label(&self, name: &str) -> Result<Option<Label>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| Error::refused(format!("{name}: {error}")))
    }

    /// A relative path in the root filesystem, without `.` and `..`; `None` if the variable is not set. A leading `/` is dropped. The path is
    /// empty if the variable is empty: for `INITRAMFS_PATH` that means "none".
    pub fn path_in_tree(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        match relative(Path::new(value)) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::refused(format!(
                "{name} is {}; use a path in the root filesystem, without ..",
                value.display()
            ))),
        }
    }

    /// A file descriptor that the caller has opened; `None` if the variable is not set.
    pub fn descriptor(&self, name: &str) -> Result<Option<i32>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number @ 0..) => Ok(Some(number)),
            _ => Err(Error::refused(format!("{name} is {text:?}; it has to be a file descriptor"))),
        }
    }
}

/// A boolean of the protocol: `yes`, `1`, `true` or `no`, `0`, `false`, in upper or lower case; `None` for anything else.
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "1" | "true" => Some(true),
        "no" | "0" | "false" => Some(false),
        _ => None,
    }
}

/// A number of bytes: an integer with an optional `K`, `M`, `G` or `T` (powers of 1024, upper or lower case). `None` for anything else, and
/// for a number that does not fit into 64 bits.
pub fn parse_size(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[number.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let digits = number.bytes().all(|b| b.is_ascii_digit()).then_some(number)?;
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A path of the booted system, made relative to its root and without `.`; `None` if it has `..`.
pub fn relative(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => result.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(result)
}

/// The paths in a variable that names several files.
pub fn paths(text: &str) -> impl Iterator<Item = &Path> {
    text.split_whitespace().map(Path::new)
}

/// The last line of an extension that fails in an expected way. Its exit code is 1 then.
pub fn error_line(what: &str) -> String {
    format!("ERROR: {what}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn given(name: &str, value: &str) -> Environment {
        Environment::from_iter([(name, value)])
    }

    #[test]
    fn booleans_in_any_case() {
        for (text, value) in
            [("yes", true), ("Yes", true), ("1", true), ("TRUE", true), ("no", false), ("0", false)]
        {
            assert_eq!(given("UPGRADE", text).boolean("UPGRADE", !value).unwrap(), value, "{text}");
        }
        assert!(Environment::default().boolean("UPGRADE", true).unwrap());
    }

    #[test]
    fn sizes_with_and_without_a_unit() {
        for (text, bytes) in [("512", 512), ("4k", 4096), ("3M", 3 << 20), ("8G", 8 << 30), ("2t", 2 << 40)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in
            ["", "K", "1.5G", "-1", "+1", "1KB", "1 G", "4P", "18446744073709551616", "17179869184G", "١"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn paths_stay_in_the_tree() {
        for (text, path) in [("boot/vmlinuz", "boot/vmlinuz"), ("/boot//./zImage", "boot/zImage"), ("", "")] {
            assert_eq!(
                given("KERNEL_PATH", text).path_in_tree("KERNEL_PATH").unwrap(),
                Some(path.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn errors_name_the_variable_and_what_would_be_right() {
        let not_text = Environment::from_iter([("V", OsString::from_vec(vec![0xff]))]);
        let cases: [(&str, Result<()>); 9] = [
            ("use yes, 1 or true", given("V", "maybe").boolean("V", true).map(drop)),
            ("use yes, 1 or true", given("V", "").boolean("V", true).map(drop)),
            ("4G", given("V", "huge").size("V").map(drop)),
            ("without ..", given("V", "a/../../b").path_in_tree("V").map(drop)),
            ("invalid label", given("V", "a b").label("V").map(drop)),
            ("not set", Environment::default().required("V").map(drop)),
            ("empty", given("V", "").required("V").map(drop)),
            ("not UTF-8", not_text.text("V").map(drop)),
            ("a file descriptor", given("V", "-1").descriptor("V").map(drop)),
        ];
        for (expected, outcome) in cases {
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with('V'), "{message}");
        }
    }

    #[test]
    fn an_expected_failure_is_one_line() {
        assert_eq!(error_line("no"), "ERROR: no");
    }
}
