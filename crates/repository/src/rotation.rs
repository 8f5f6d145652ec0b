//! Rotations: files that replace the keys that a machine trusts, each signed by the keys before.
//!
//! A rotation is JSON with its signatures in front, as an index is. Its number is one more than that of the rotation before. The first line of
//! the keys that it brings says which one they are of, so the file of keys alone tells a machine what it has.

use baserock::json::{self, Format};
use baserock::operations::trust::{ALLOWED_SIGNERS, MOST_STATEMENT};
use baserock_signatures::{Keyring, SignedText};
use serde::{Deserialize, Serialize};
use system::atomic;
use system::dir::Dir;
use system::error::{Error, Result};

use crate::fetch::Trust;
use crate::location::Location;
use crate::refusal::Refusal;

/// The folder of rotations, each named by its number.
pub const KEYS: &str = "keys";
/// Rotations that are followed at a time.
const MOST: u64 = 1000;

/// A rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The name of the repository.
    pub repository: String,
    /// Its number, from 1.
    pub number: u64,
    /// The new keys, as a file of allowed signers.
    pub keys: String,
}

impl Format for Rotation {}

impl Rotation {
    /// The name in the repository.
    pub fn name(number: u64) -> String {
        format!("{KEYS}/{number}")
    }

    /// Fails if it is that of another repository, which the same keys have signed.
    pub fn require_of(&self, repository: &str) -> Result<()> {
        if self.repository == repository {
            return Ok(());
        }
        let (file, what) = (Rotation::name(self.number), "the name of its repository".to_owned());
        Err(Refusal::Altered { file, what }.into())
    }

    /// The file of allowed signers that it makes.
    pub fn file(&self) -> String {
        format!("{HEAD}{} of {}\n{}", self.number, self.repository, self.keys)
    }

    /// Replaces the keys of the system at `root`.
    pub fn store(&self, root: &Dir) -> Result<()> {
        let folder = ALLOWED_SIGNERS.trim_end_matches(FILE);
        atomic::write(&root.dir(folder)?, FILE, 0o644, self.file().as_bytes())
    }
}

/// The name of the file of keys in its folder.
const FILE: &str = "allowed_signers";
/// How the first line of keys begins that a rotation has brought.
const HEAD: &str = "# rotation ";

/// The number of the rotation that has brought these keys; 0 if none has.
pub fn number_of(keys: &str) -> u64 {
    let line = keys.lines().next().and_then(|line| line.strip_prefix(HEAD));
    line.and_then(|line| line.split(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Follows the rotations that come after these keys. Returns the last one that counts, with the keys that it brings, if there is any.
pub fn follow(location: &Location, trust: &Trust) -> Result<Option<(Rotation, Trust)>> {
    let mut last: Option<(Rotation, Trust)> = None;
    for _ in 0..MOST {
        let trust = last.as_ref().map_or(trust, |(_, trust)| trust);
        let Some(keys) = &trust.keys else { break };
        let number = number_of(keys.text()).saturating_add(1);
        // One that is missing is no fault, and one that does not count is not for this machine: its keys may have come another way.
        match next(location, trust, number) {
            Ok(rotation) if last.as_ref().is_none_or(|(last, _)| last.repository == rotation.repository) => {
                let keys = Some(keys.with_text(rotation.file()));
                last = Some((rotation, Trust { keys, ..trust.clone() }));
            }
            Ok(_) => break,
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) => {
                tracing::debug!("{error}");
                break;
            }
        }
    }
    Ok(last)
}

/// Reads a rotation from the first mirror that has it.
fn next(location: &Location, trust: &Trust, number: u64) -> Result<Rotation> {
    let mut fault = None;
    for source in location.sources(&Rotation::name(number)) {
        let shown = source.to_string();
        match location.small(&source, MOST_STATEMENT).and_then(|bytes| read(&bytes, trust, number, &shown)) {
            Err(error) if !matches!(error, Error::Interrupted(_)) => fault = fault.or(Some(error)),
            outcome => return outcome,
        }
    }
    Err(fault.unwrap_or_else(|| Error::refused("no repository is named")))
}

fn read(bytes: &[u8], trust: &Trust, number: u64, shown: &str) -> Result<Rotation> {
    let malformed = |reason: &str| Error::malformed(shown, reason);
    let text = str::from_utf8(bytes).map_err(|_| malformed("not a rotation of keys"))?;
    let signed = SignedText::parse(text);
    trust.verify(&signed, shown)?;
    let rotation: Rotation =
        json::read(signed.text.as_bytes()).map_err(|fault| malformed(&fault.in_a("a rotation of keys")))?;
    if rotation.number != number {
        return Err(malformed("not the rotation that comes next"));
    }
    Keyring::parse(rotation.keys.as_bytes(), shown)?;
    Ok(rotation)
}

/// Reads all rotations up to this number, and fails at the first one that is none. Nobody's signature is asked for.
pub fn check(location: &Location, last: u64) -> Result<()> {
    let trust = Trust { keys: None, threshold: 0, allow_expired: true };
    (1..=last).try_for_each(|number| next(location, &trust, number).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_which_rotation_brought_them() {
        let rotation =
            Rotation { repository: "r".to_owned(), number: 7, keys: "a ssh-ed25519 A\n".to_owned() };
        assert_eq!(number_of(&rotation.file()), 7);
        assert!(rotation.file().ends_with("\na ssh-ed25519 A\n"));
        for without in ["", "a ssh-ed25519 A\n", "# rotation x of r\n", "# keys\n"] {
            assert_eq!(number_of(without), 0, "{without}");
        }
    }
}
