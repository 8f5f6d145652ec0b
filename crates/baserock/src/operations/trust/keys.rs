//! The keys that a machine trusts: files in ssh's format of allowed signers.

use std::path::Path;

use baserock_signatures::{Keyring, Refusal};
use system::dir::Dir;
use system::error::{OrCannot, Result};

/// The file of trusted keys.
pub const ALLOWED_SIGNERS: &str = "etc/baserock/allowed_signers";
/// The folder of such files.
const FOLDER: &str = "etc/baserock/allowed_signers.d";
/// Bytes of a file of keys at most.
const MOST: u64 = 1 << 20;

/// The files of keys that a system trusts.
#[derive(Clone, Debug)]
pub struct AllowedSigners {
    /// The name in messages.
    shown: String,
    /// The text of [`ALLOWED_SIGNERS`], or of the file that somebody names in its place.
    text: String,
    /// The texts of the files in the folder, which belong to the administrator alone.
    added: String,
}

impl AllowedSigners {
    /// Those of the system at `root`, or only another file. Fails if there is no key.
    pub fn of(root: &Dir, file: Option<&Path>) -> Result<Self> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if let Some(file) = file {
            let bytes = std::fs::read(file).or_cannot("read", file)?;
            let shown = file.display().to_string();
            return Ok(AllowedSigners { shown, text: text(bytes), added: String::new() });
        }
        let bytes = root.read_if_exists(ALLOWED_SIGNERS, MOST)?.unwrap_or_default();
        let mut added = String::new();
        if let Some(folder) = root.dir_if_exists(FOLDER)? {
            let mut names: Vec<_> = folder.entries()?.into_iter().map(|entry| entry.name).collect();
            names.sort();
            for name in names {
                added += &(text(folder.read(&name, MOST)?) + "\n");
            }
        }
        let [shown, folder] = [ALLOWED_SIGNERS, FOLDER].map(|path| root.shown(path).display().to_string());
        let signers = AllowedSigners { shown, text: text(bytes), added };
        if (signers.text.trim().is_empty()) && signers.added.trim().is_empty() {
            return Err(Refusal::NoKeys { file: signers.shown, folder }.into());
        }
        Ok(signers)
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with another text in the place of the file's.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        AllowedSigners { text, ..self.clone() }
    }

    /// The keys.
    pub fn keyring(&self) -> Result<Keyring> {
        Keyring::parse(format!("{}\n{}", self.text, self.added).as_bytes(), &self.shown)
    }
}
