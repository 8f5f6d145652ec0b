//! The hashes of files that the sender has read before. A file is recognised by its device, inode, size and times.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use delta::codec::{Reader, Writer};
use delta::hash::Hash;
use delta::scan::Hashes;
use nix::sys::stat::FileStat;
use system::atomic;
use system::dir::Dir;
use system::error::Result;

/// Device, inode, size, and the times of modification and change in nanoseconds.
type Key = [u64; 5];

/// The hashes of earlier pushes, and those that were computed in this one.
pub struct HashCache {
    known: Arc<HashMap<Key, Hash>>,
    seen: HashMap<Key, Hash>,
    now: u64,
}

const FILE: &str = "hashes";
const MAGIC: [u8; 8] = *b"BRHASH\0\x01";
/// Most hashes that are kept.
const MOST: usize = 1 << 21;
/// Nanoseconds. A file that changed so recently may change again without a change of its times, so its hash is not kept.
const TOO_FRESH: u64 = 2_000_000_000;

impl HashCache {
    /// Loads the hashes in the folder. A missing or damaged file counts as empty.
    pub fn load(folder: Option<&Path>) -> Self {
        let known = folder.and_then(|folder| std::fs::read(folder.join(FILE)).ok());
        let known = known.and_then(|bytes| read(&bytes)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        HashCache { known: Arc::new(known), seen: HashMap::new(), now: u64::try_from(now).unwrap_or(0) }
    }

    /// A cache for a tree that another thread reads: it knows the same hashes.
    #[must_use]
    pub fn beside(&self) -> Self {
        HashCache { known: self.known.clone(), seen: HashMap::new(), now: self.now }
    }

    /// Takes over what the other one has learned.
    pub fn take(&mut self, other: HashCache) {
        self.seen.extend(other.seen);
    }

    /// Writes the hashes to the folder.
    pub fn store(&self, folder: &Path) -> Result<()> {
        if self.seen.iter().all(|(key, hash)| self.known.get(key) == Some(hash)) {
            return Ok(());
        }
        system::folder::make(folder)?;
        let mut to = Writer::default();
        to.raw(&MAGIC);
        // Hashes of other trees are kept while there is room.
        let others = self.known.iter().filter(|(key, _)| !self.seen.contains_key(*key));
        for (key, hash) in self.seen.iter().chain(others).take(MOST) {
            for &part in key {
                to.number(part);
            }
            to.raw(&hash.0);
        }
        let sum = Hash::of(&to.0);
        to.raw(&sum.0);
        atomic::write(&Dir::open(folder)?, FILE, 0o600, &to.0)
    }
}

fn read(bytes: &[u8]) -> Option<HashMap<Key, Hash>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Hash::of(content).0 != sum {
        return None;
    }
    let mut from = Reader(content.strip_prefix(&MAGIC)?);
    let mut known = HashMap::new();
    while !from.0.is_empty() {
        let mut key = Key::default();
        for part in &mut key {
            *part = from.number().ok()?;
        }
        let mut hash = [0; 32];
        from.0.read_exact(&mut hash).ok()?;
        known.insert(key, Hash(hash));
    }
    Some(known)
}

fn key(stat: &FileStat) -> Key {
    let time = |seconds: i64, nanoseconds: i64| {
        seconds.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(nanoseconds.cast_unsigned())
    };
    [
        stat.st_dev,
        stat.st_ino,
        stat.st_size.cast_unsigned(),
        time(stat.st_mtime, stat.st_mtime_nsec),
        time(stat.st_ctime, stat.st_ctime_nsec),
    ]
}

impl Hashes for HashCache {
    fn known(&self, stat: &FileStat) -> Option<Hash> {
        self.known.get(&key(stat)).copied()
    }

    fn learned(&mut self, stat: &FileStat, hash: Hash) {
        let key = key(stat);
        if key[4].saturating_add(TOO_FRESH) < self.now {
            self.seen.insert(key, hash);
        }
    }
}
