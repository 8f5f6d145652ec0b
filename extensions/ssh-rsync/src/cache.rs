//! The hashes of files that the sender has read before, by what the kernel says of them.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use delta::codec::{Reader, Writer};
use delta::hash::Hash;
use delta::scan::Hashes;
use nix::sys::stat::FileStat;
use system::atomic;
use system::dir::Dir;
use system::error::Result;

/// Device, inode, size, modification and change, the times in nanoseconds.
type Key = [u64; 5];

/// What is known. Of a tree that was read, only what was seen this time is kept.
pub struct Cache {
    known: HashMap<Key, Hash>,
    seen: HashMap<Key, Hash>,
    now: u64,
}

const FILE: &str = "hashes";
const MAGIC: [u8; 8] = *b"BRHASH\0\x01";
/// Most files that are remembered.
const MOST: usize = 1 << 21;
/// A file that changed so shortly before it is read may change once more without its times telling: nanoseconds.
const TOO_FRESH: u64 = 2_000_000_000;

impl Cache {
    /// What the folder has; one that is missing or damaged knows nothing.
    pub fn load(folder: Option<&Path>) -> Self {
        let known = folder.and_then(|folder| std::fs::read(folder.join(FILE)).ok());
        let known = known.and_then(|bytes| read(&bytes)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Cache { known, seen: HashMap::new(), now: u64::try_from(now).unwrap_or(0) }
    }

    /// Keeps what was seen in the folder.
    pub fn store(&self, folder: &Path) -> Result<()> {
        use system::error::OrCannot;
        if self.seen.iter().all(|(key, hash)| self.known.get(key) == Some(hash)) {
            return Ok(());
        }
        std::fs::create_dir_all(folder).or_cannot("create", folder)?;
        let mut to = Writer::default();
        to.raw(&MAGIC);
        // What was seen in other trees is worth as much, as long as there is room.
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

impl Hashes for Cache {
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
