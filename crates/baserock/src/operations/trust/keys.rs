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

/// The keys that the system at `root` trusts, or those of another file.
pub fn allowed_signers(root: &Dir, file: Option<&Path>) -> Result<Keyring> {
    if let Some(file) = file {
        let bytes = std::fs::read(file).or_cannot("read", file)?;
        return Keyring::parse(&bytes, &file.display().to_string());
    }
    let mut bytes = Vec::new();
    bytes.extend(root.read_if_exists(ALLOWED_SIGNERS, MOST)?.unwrap_or_default());
    if let Some(folder) = root.dir_if_exists(FOLDER)? {
        let mut names: Vec<_> = folder.entries()?.into_iter().map(|entry| entry.name).collect();
        names.sort();
        for name in names {
            bytes.push(b'\n');
            bytes.extend(folder.read(&name, MOST)?);
        }
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let [file, folder] = [ALLOWED_SIGNERS, FOLDER].map(|path| root.shown(path).display().to_string());
        return Err(Refusal::NoKeys { file, folder }.into());
    }
    Keyring::parse(&bytes, &root.shown(ALLOWED_SIGNERS).display().to_string())
}
