//! What a volume has seen of repositories: the highest serial of each. Nobody can play an older index back to it.

use std::collections::BTreeMap;

use baserock::json::{self, Format};
use baserock::layout::{PRIVATE, REPOSITORIES};
use serde::{Deserialize, Serialize};
use system::atomic;
use system::dir::Dir;
use system::error::{Error, Result};

/// The serials, by the names of the repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    serials: BTreeMap<String, u64>,
}

impl Format for Seen {}

/// Bytes of the file at most.
const MOST: u64 = 1 << 20;

impl Seen {
    /// What the volume with this top level has seen.
    pub fn of(top: &Dir) -> Result<Self> {
        let Some(private) = top.dir_if_exists(PRIVATE)? else { return Ok(Seen::default()) };
        let Some(bytes) = private.read_if_exists(REPOSITORIES, MOST)? else { return Ok(Seen::default()) };
        json::read(&bytes)
            .map_err(|fault| Error::malformed(private.shown(REPOSITORIES), fault.in_a("a list of serials")))
    }

    /// The highest serial of a repository.
    pub fn serial(&self, repository: &str) -> u64 {
        self.serials.get(repository).copied().unwrap_or(0)
    }

    /// Remembers a serial, unless a higher one is known. The volume is locked.
    pub fn remember(top: &Dir, repository: &str, serial: u64) -> Result<()> {
        let mut seen = Seen::of(top)?;
        if seen.serial(repository) >= serial {
            return Ok(());
        }
        seen.serials.insert(repository.to_owned(), serial);
        let private = top.ensure_dir(PRIVATE, 0o700)?;
        atomic::write(&private, REPOSITORIES, 0o600, &json::file(&seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_serial_stays() {
        let place = tempfile::tempdir().unwrap();
        let top = Dir::open(place.path()).unwrap();
        assert_eq!(Seen::of(&top).unwrap().serial("one"), 0);
        for serial in [3, 7, 5] {
            Seen::remember(&top, "one", serial).unwrap();
        }
        assert_eq!(Seen::of(&top).unwrap().serial("one"), 7);
        assert_eq!(Seen::of(&top).unwrap().serial("other"), 0);
    }
}
