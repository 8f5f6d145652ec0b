//! The folder of a repository, held by the one who publishes.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use baserock::json;
use baserock::operations::trust::{MOST_STATEMENT, sign};
use baserock_signatures::{Keyring, SignedText};
use delta::{Manifest, format};
use nix::fcntl::OFlag;
use system::atomic;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};
use system::observer::Observer;
use system::resolve::Links;
use system::step::change;

use crate::bundle::make::Made;
use crate::bundle::take::Bundle;
use crate::bundle::{Names, Table};
use crate::index::{BundleFile, DELTAS, Delta, INDEX, Index, MANIFESTS, PACKS, Published, seconds};
use crate::location::Location;
use crate::refusal::Refusal;
use crate::rotation::{KEYS, Rotation};

/// The lock of publishers.
const LOCK: &str = ".lock";
/// Contents that were taken out of packs, for as long as they are needed.
const EXTRACTED: &str = ".extracted";
/// The files that the index does not name any more.
const RETIRED: &str = ".retired";
/// The answers of a bundle until its head is known.
const SCRATCH: &str = ".answers";
/// Bytes of an index at most.
pub const MOST_INDEX: u64 = MOST_STATEMENT;

/// A repository that nobody else publishes to meanwhile.
pub struct Folder {
    dir: Dir,
    _lock: Lock,
    /// Its index; the next one, until it is written.
    pub index: Index,
    /// The file of the index as it is.
    file: String,
}

impl Folder {
    /// Opens a repository.
    pub fn open(path: &Path) -> Result<Self> {
        if Dir::open(path)?.has(INDEX)? {
            return Folder::open_or_make(path);
        }
        Err(Refusal::NoIndex { folder: path.display().to_string() }.into())
    }

    /// Opens a repository; an empty folder, or none, becomes one.
    pub fn open_or_make(path: &Path) -> Result<Self> {
        if !path.exists() {
            change("make", path, || std::fs::create_dir_all(path))?;
        }
        let dir = Dir::open(path)?;
        let names: Vec<_> = dir.entries()?.into_iter().map(|entry| entry.name).collect();
        let found = dir.read_if_exists(INDEX, MOST_INDEX)?;
        let is_new = found.is_none() && names.iter().all(|name| is_ours(&name.to_string_lossy()));
        if found.is_none() && !is_new {
            return Err(Refusal::NoRepository { folder: path.display().to_string() }.into());
        }
        let lock = File::from(dir.open_with(LOCK, OFlag::O_RDWR | OFlag::O_CREAT, 0o644, Links::Refuse)?);
        let lock = Lock::take(lock, path, Patience::Refuse)?;
        let file = String::from_utf8_lossy(&found.unwrap_or_default()).into_owned();
        let index = if is_new { new_index()? } else { parse(&file, &dir.shown(INDEX))? };
        let folder = Folder { dir, _lock: lock, index, file };
        folder.sweep()?;
        Ok(folder)
    }

    /// Takes away what a publisher has left that was cut off.
    fn sweep(&self) -> Result<()> {
        for name in [EXTRACTED, SCRATCH] {
            if self.dir.has(name)? {
                self.dir.remove_tree(name)?;
            }
        }
        Ok(())
    }

    /// The repository in messages.
    pub fn shown(&self) -> String {
        self.dir.shown("").display().to_string()
    }

    /// Seconds since 1970, but never before the index.
    pub fn now(&self) -> u64 {
        seconds(SystemTime::now()).max(self.index.made)
    }

    /// The repository as those see it who fetch from it.
    pub fn location(&self) -> Result<Location> {
        Location::new([self.dir.shown("").as_os_str()], None)
    }

    /// The packs of all versions, the newest first.
    pub fn packs(&self) -> Vec<BundleFile> {
        let mut seen = HashSet::new();
        let all = self.index.versions.iter().rev().flat_map(|version| &version.packs);
        all.filter(|pack| seen.insert(pack.hash)).copied().collect()
    }

    /// The table of a pack.
    pub fn pack(&self, pack: BundleFile, observer: &dyn Observer) -> Result<Table> {
        Ok(Bundle::open(self.location()?.file(pack.of_pack(), observer), pack, Names::Hashes)?.table)
    }

    /// The manifest of a version.
    pub fn manifest(&self, version: &Published, observer: &dyn Observer) -> Result<Manifest> {
        let (known, location) = (version.manifest, self.location()?);
        let bytes = location.whole(known.name(), (known.hash.0, known.size), observer)?;
        format::read(bytes.as_slice()).or_cannot("understand", self.dir.shown(known.name()))
    }

    /// An empty folder for contents of an old version.
    pub fn extracting(&self) -> Result<Dir> {
        self.sweep()?;
        self.dir.ensure_dir(EXTRACTED, 0o700)
    }

    /// The contents are not needed any more.
    pub fn extracted(&self) -> Result<()> {
        self.sweep()
    }

    /// An empty file without a name, and the path that it had.
    pub fn scratch(&self) -> Result<(File, PathBuf)> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = File::from(self.dir.open_with(SCRATCH, flags, 0o600, Links::Refuse)?);
        self.dir.remove_file(SCRATCH)?;
        Ok((file, self.dir.shown(SCRATCH)))
    }

    /// Writes a file below the repository. One that the index does not name may be there, left by a publisher that was cut off; it is replaced.
    pub fn write(&self, folder: &str, name: &str, parts: &[&[u8]]) -> Result<()> {
        self.create(folder, name, |file| parts.iter().try_for_each(|part| file.write_all(part)))
    }

    /// Puts a bundle into the repository.
    pub fn put(&self, folder: &str, name: &str, made: &Made) -> Result<()> {
        self.create(folder, name, |file| {
            file.write_all(&made.head)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match (&made.answers).read(&mut buffer)? {
                    0 => return Ok(()),
                    count => file.write_all(&buffer[..count])?,
                }
            }
        })
    }

    fn create(&self, folder: &str, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        let folder = self.dir.ensure_dir(folder, 0o755)?;
        atomic::replace(&folder, name, |temporary| {
            let mut file = folder.create(temporary, 0o644)?;
            change("write", folder.shown(name), || fill(&mut file))?;
            atomic::sync(&file, &folder.shown(name))
        })
    }

    /// Writes the index, which counts for so many seconds, signed by these keys. From now on everybody sees it.
    pub fn publish(&mut self, keys: &[String], lifetime: u64) -> Result<()> {
        self.index.serial += 1;
        self.index.made = self.now();
        self.index.expires = self.index.made.saturating_add(lifetime);
        let text = String::from_utf8_lossy(&json::file(&self.index)).into_owned();
        let file = keys.iter().try_fold(text, |file, key| sign(&file, key))?;
        self.replace(file)
    }

    /// Lets the keys of the old ones sign the keys in a file, which machines trust from now on.
    pub fn rotate(&mut self, keys: &Path, old: &[String]) -> Result<()> {
        let text = std::fs::read_to_string(keys).or_cannot("read", keys)?;
        Keyring::parse(text.as_bytes(), &keys.display().to_string())?;
        let number = self.index.rotations + 1;
        let rotation = Rotation { repository: self.index.repository.clone(), number, keys: text };
        let text = String::from_utf8_lossy(&json::file(&rotation)).into_owned();
        let file = old.iter().try_fold(text, |file, key| sign(&file, key))?;
        self.create(KEYS, &number.to_string(), |to| to.write_all(file.as_bytes()))?;
        self.index.rotations = number;
        Ok(())
    }

    /// Signs the index as it is by one more key.
    pub fn sign(&mut self, key: &str) -> Result<()> {
        let file = sign(&self.file, key)?;
        self.replace(file)
    }

    fn replace(&mut self, file: String) -> Result<()> {
        atomic::write(&self.dir, INDEX, 0o644, file.as_bytes())?;
        self.file = file;
        Ok(())
    }

    /// The names of all files that the index does not name, below the folder of their kind.
    pub fn unused(&self) -> Result<Vec<(&'static str, String)>> {
        let mut used: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
        for version in &self.index.versions {
            used.entry(MANIFESTS).or_default().insert(version.manifest.digest.0.to_string());
            let packs = version.packs.iter().map(|pack| pack.hash.0.to_string());
            used.entry(PACKS).or_default().extend(packs);
        }
        for folder in [MANIFESTS, DELTAS] {
            used.entry(folder).or_default().extend(self.index.deltas.iter().map(Delta::own_name));
        }
        let mut unused = Vec::new();
        for kind in [MANIFESTS, PACKS, DELTAS] {
            let Some(folder) = self.dir.dir_if_exists(kind)? else { continue };
            for entry in folder.entries()? {
                let name = entry.name.to_string_lossy().into_owned();
                if !used.get(kind).is_some_and(|used| used.contains(&name)) {
                    unused.push((kind, name));
                }
            }
        }
        Ok(unused)
    }

    /// What was retired before.
    pub fn retired(&self) -> Result<Option<Vec<u8>>> {
        self.dir.read_if_exists(RETIRED, MOST_INDEX)
    }

    /// Remembers what is retired.
    pub fn retire(&self, retired: &[u8]) -> Result<()> {
        atomic::write(&self.dir, RETIRED, 0o600, retired)
    }

    /// Removes a file that the index does not name.
    pub fn remove(&self, kind: &str, name: &str) -> Result<()> {
        self.dir.dir(kind)?.remove_file(name)
    }
}

/// The index of the repository in a folder, as it is.
pub fn read_index(path: &Path) -> Result<Index> {
    let dir = Dir::open(path)?;
    let file = dir.read(INDEX, MOST_INDEX)?;
    parse(&String::from_utf8_lossy(&file), &dir.shown(INDEX))
}

/// Whether a repository that is being made has this name in its folder.
fn is_ours(name: &str) -> bool {
    [LOCK, EXTRACTED, SCRATCH, MANIFESTS, PACKS, DELTAS, KEYS].contains(&name)
}

fn new_index() -> Result<Index> {
    let name = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    let name = name.or_cannot("read", "/proc/sys/kernel/random/uuid")?;
    Ok(Index { repository: name.trim().to_owned(), ..Index::default() })
}

fn parse(file: &str, shown: &Path) -> Result<Index> {
    let text = SignedText::parse(file).text;
    json::read(text.as_bytes())
        .map_err(|fault| Error::malformed(shown, fault.in_a("the index of a repository")))
}
