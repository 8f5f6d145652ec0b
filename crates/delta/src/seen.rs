//! Hashes of files that are made while somebody copies them, so that each file is read once.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::stat::FileStat;
use system::copy::Witness;

use crate::hash::{Hash, Hasher};
use crate::scan::Hashes;

/// The hashes of the files that were copied so far.
#[derive(Clone, Default)]
pub struct SeenHashes(Arc<Mutex<HashMap<Identity, Hash>>>);

/// Device and inode.
type Identity = (u64, u64);

struct Seeing {
    hasher: Hasher,
    file: Identity,
    all: SeenHashes,
}

impl SeenHashes {
    /// Somebody who sees the content of the file while it is copied.
    pub fn witness(&self, stat: &FileStat) -> Box<dyn Witness> {
        Box::new(Seeing { hasher: Hasher::default(), file: identity(stat), all: self.clone() })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Identity, Hash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(stat: &FileStat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

impl Hashes for SeenHashes {
    fn known(&self, stat: &FileStat) -> Option<Hash> {
        self.all().get(&identity(stat)).copied()
    }

    fn learned(&mut self, _: &FileStat, _: Hash) {}

    fn come_later(&self) -> bool {
        true
    }
}

impl Witness for Seeing {
    fn see(&mut self, bytes: &[u8]) {
        self.hasher.add(bytes);
    }

    fn see_hole(&mut self, length: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            self.hasher.add(&ZEROS[..count]);
            left -= count as u64;
        }
    }

    fn end(mut self: Box<Self>) {
        let hash = mem::take(&mut self.hasher).finish();
        self.all.all().insert(self.file, hash);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use system::copy::Copier;
    use system::dir::Dir;

    use super::*;
    use crate::scan::{ReadAll, scan, scan_with};

    fn tree(path: &Path) -> Dir {
        fs::create_dir_all(path.join("many")).unwrap();
        // More than one thread copies so many.
        for number in 0..200 {
            fs::write(path.join(format!("many/{number}")), number.to_string().repeat(number)).unwrap();
        }
        fs::write(path.join("large"), vec![7; 3 << 20]).unwrap();
        fs::hard_link(path.join("large"), path.join("linked")).unwrap();
        let holes = File::create(path.join("holes")).unwrap();
        holes.write_all_at(b"middle", 1 << 20).unwrap();
        holes.set_len(2 << 20).unwrap();
        Dir::open(path).unwrap()
    }

    #[test]
    fn the_manifest_is_the_same_as_that_of_a_scan() {
        let place = tempfile::tempdir().unwrap();
        let from = tree(&place.path().join("from"));
        fs::create_dir(place.path().join("to")).unwrap();
        let to = Dir::open(place.path().join("to")).unwrap();
        let mut hashes = SeenHashes::default();
        let seen = hashes.clone();
        let witness = |stat: &FileStat| seen.witness(stat);
        let mut copier = Copier::new(&to).witness(&witness);
        let mut copy = copier.follow().unwrap();
        let made = scan_with(&from, &mut hashes, &|_| Ok(()), &mut |visit| copy.visit(visit)).unwrap();
        copier.fix().unwrap();
        let scanned = |dir: &Dir| scan(dir, &mut ReadAll, &|_| Ok(())).unwrap();
        assert_eq!(made, scanned(&from));
        assert_eq!(made, scanned(&to));
    }
}
