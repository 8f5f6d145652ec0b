//! How a machine upgrades itself: `/etc/baserock/upgrade.toml`.
//!
//! ```toml
//! source = "https://example.org/os"
//! mirrors = ["https://mirror.example.net/os"]
//! channel = "stable"
//! signers = 1              # of the trusted keys have to sign
//! limit = "2M"             # bytes in a second
//! then = "trial"           # or "default", or "nothing"
//! reboot = true
//! require-signatures = true   # of every new version, however it comes
//! keep = 3                 # versions
//! ```

use serde::Deserialize;
use system::dir::Dir;
use system::error::{Error, Result};

/// The file.
pub const SETTINGS: &str = "etc/baserock/upgrade.toml";
/// Bytes of the file at most.
const MOST: u64 = 1 << 20;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The repository: a URL, or the path of a folder.
    pub source: Option<String>,
    /// Other places of the same repository, which are tried in turn.
    pub mirrors: Vec<String>,
    /// The channel.
    pub channel: String,
    /// How many of the trusted keys have to sign.
    pub signers: usize,
    /// Whether every new version has to be signed, however it comes: fetched, pushed, or put there by hand.
    #[serde(rename = "require-signatures")]
    pub require_signatures: bool,
    /// Most bytes in a second, with a unit: `2M`.
    pub limit: Option<String>,
    /// What is done with a version that was fetched.
    pub then: Then,
    /// Whether the machine restarts after that.
    pub reboot: bool,
    /// How many versions stay.
    pub keep: Option<usize>,
}

/// What is done with a version that was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It is booted once, and becomes the default if it comes up.
    #[default]
    Trial,
    /// It becomes the default.
    Default,
    /// Nothing.
    Nothing,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            source: None,
            mirrors: Vec::new(),
            channel: "stable".to_owned(),
            signers: 1,
            require_signatures: false,
            limit: None,
            then: Then::default(),
            reboot: false,
            keep: None,
        }
    }
}

impl Settings {
    /// The settings of the system at `root`; without the file, what they are if nothing is said.
    pub fn of(root: &Dir) -> Result<Self> {
        let Some(bytes) = root.read_if_exists(SETTINGS, MOST)? else { return Ok(Settings::default()) };
        let shown = root.shown(SETTINGS);
        let text = str::from_utf8(&bytes).map_err(|_| Error::malformed(&shown, "not in UTF-8"))?;
        toml::from_str(text).map_err(|fault| Error::malformed(&shown, fault.message().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_a_value_and_what_is_unknown_is_refused() {
        let read = |text: &str| toml::from_str::<Settings>(text);
        assert_eq!(read("").unwrap(), Settings::default());
        let settings = read("source = \"https://h/os\"\nthen = \"default\"\nkeep = 3\n").unwrap();
        assert_eq!((settings.then, settings.keep, settings.signers), (Then::Default, Some(3), 1));
        assert!(
            !settings.require_signatures && read("require-signatures = true").unwrap().require_signatures
        );
        for wrong in ["channels = \"a\"", "then = \"reboot\"", "keep = -1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
