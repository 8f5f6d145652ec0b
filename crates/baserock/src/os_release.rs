//! `os-release`: what the system in a tree is called.

use serde::{Deserialize, Serialize};

/// The fields of an `os-release` that tell systems apart. One that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// The name of the system: `Debian GNU/Linux`.
    pub name: String,
    /// Its version: `12`.
    pub version: String,
    /// Both as people read them: `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
    /// Which build of it this is: `IMAGE_VERSION`, else `BUILD_ID`.
    pub build: String,
}

impl OsRelease {
    /// Parses the file. What is no assignment is left out.
    pub fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let line = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
            line.map(unquoted).filter(|value| !value.is_empty())
        };
        let name = value("NAME").unwrap_or_default();
        let version = value("VERSION_ID").unwrap_or_default();
        let plain = || format!("{name} {version}").trim().to_owned();
        let pretty_name = value("PRETTY_NAME").unwrap_or_else(plain);
        let build = value("IMAGE_VERSION").or_else(|| value("BUILD_ID")).unwrap_or_default();
        OsRelease { name, version, pretty_name, build }
    }
}

/// A value as a shell reads it: in quotation marks or not, with backslashes before signs that mean something.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|mark| value.strip_prefix(mark)?.strip_suffix(mark));
    let (mut text, mut escaped) = (String::new(), false);
    for c in quoted.unwrap_or(value).chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_does() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME='Debian GNU/Linux'\nVERSION_ID=\"12\"\n\
                    # NAME=no\nBUILD_ID=7\nHOME_URL=\"a \\$b \\\\\"\n";
        let found = OsRelease::parse(text);
        assert_eq!(
            (found.pretty_name.as_str(), found.name.as_str(), found.version.as_str(), found.build.as_str()),
            ("Debian GNU/Linux 12 (bookworm)", "Debian GNU/Linux", "12", "7")
        );
        assert_eq!(unquoted("\"a \\$b \\\\\""), "a $b \\");
        assert_eq!(
            OsRelease::parse("NAME=x\nVERSION_ID=2\nVERSION_ID=3\n").pretty_name,
            "x 3",
            "the last one counts"
        );
        assert_eq!(OsRelease::parse("<html>"), OsRelease::default());
    }
}
