//! What a volume has seen of repositories: the highest serial of each, and where it was. Nobody can play an older index back to it, or answer
//! with another repository that the same keys have signed.

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
    /// The name of the repository at each URL or path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<String, String>,
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

    /// Whether there was another repository at this place.
    pub fn is_another(&self, place: &str, repository: &str) -> bool {
        self.places.get(place).is_some_and(|known| known != repository)
    }

    /// Lets any repository be at this place.
    pub fn forget(&mut self, place: &str) {
        self.places.remove(place);
    }

    /// Remembers which repository is at a place, and its serial unless a higher one is known. The volume is locked.
    pub fn remember(top: &Dir, place: &str, repository: &str, serial: u64) -> Result<()> {
        let before = Seen::of(top)?;
        let mut seen = before.clone();
        seen.places.insert(place.to_owned(), repository.to_owned());
        let known = seen.serials.entry(repository.to_owned()).or_default();
        *known = serial.max(*known);
        if seen == before {
            return Ok(());
        }
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
            Seen::remember(&top, "/os", "one", serial).unwrap();
        }
        assert_eq!(Seen::of(&top).unwrap().serial("one"), 7);
        let mut seen = Seen::of(&top).unwrap();
        assert_eq!(seen.serial("other"), 0);
        assert!(seen.is_another("/os", "other") && !seen.is_another("/os", "one"));
        assert!(!seen.is_another("/elsewhere", "other"));
        seen.forget("/os");
        assert!(!seen.is_another("/os", "other"));
    }
}
