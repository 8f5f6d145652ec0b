//! Contents of earlier pushes. The sender keeps them so that the next push can send differences to them.
//!
//! The folder has one file for each content, named by its hash. The file shares its blocks with the tree that was pushed, if the filesystem
//! can share. When the folder is full, the contents whose last push is longest ago are removed first. Nothing depends on the folder: a
//! damaged content makes a wrong answer, and the target notices that and asks again.
//!
//! A machine is told only of contents that were pushed to itself, and that every user there may read. Beside the folder is one with a list
//! for each location.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use delta::hash::Hash;
use delta::predecessors::SMALLEST;
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::step::change;
use system::{atomic, folder, signal};

use crate::source::Source;

/// The folder of kept contents.
pub struct KeptContents {
    folder: PathBuf,
    most: u64,
    /// The file with the hashes of what was pushed to this location.
    pushed: PathBuf,
}

/// A content in the folder.
struct Content {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

/// The folder of contents in the cache, and that of the lists of what was pushed where.
const CONTENTS: &str = "contents";
const PUSHED: &str = "pushed";
/// The file in the folder with the digest of the tree that was kept last.
const LAST: &str = "last";
/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

impl KeptContents {
    /// The contents in the cache `folder`, which need not exist yet, for pushes to this location. They take at most `most` bytes together.
    pub fn new(folder: &Path, location: &str, most: u64) -> Self {
        let pushed = folder.join(PUSHED).join(Hash::of(location.as_bytes()).to_string());
        KeptContents { folder: folder.join(CONTENTS), most, pushed }
    }

    /// The hashes of all contents in the folder that were pushed to this location.
    pub fn hashes(&self) -> Result<HashSet<Hash>> {
        let there = self.contents()?;
        Ok(self.pushed()?.into_iter().filter(|hash| there.contains_key(hash)).collect())
    }

    fn pushed(&self) -> Result<HashSet<Hash>> {
        let text = if_exists(fs::read_to_string(&self.pushed).or_cannot("read", &self.pushed))?;
        Ok(text.iter().flat_map(|text| text.lines()).filter_map(Hash::parse).collect())
    }

    /// Adds the contents of the tree to those that were pushed to this location.
    fn remember(&self, tree: &HashMap<Hash, usize>) -> Result<()> {
        let (before, there) = (self.pushed()?, self.contents()?);
        let mut after: Vec<Hash> =
            before.iter().chain(tree.keys()).copied().filter(|hash| there.contains_key(hash)).collect();
        after.sort_unstable();
        after.dedup();
        if after.len() == before.len() && after.iter().all(|hash| before.contains(hash)) {
            return Ok(());
        }
        let folder = self.pushed.parent().unwrap_or(&self.folder);
        make_private(folder)?;
        let lines: Vec<String> = after.iter().map(|hash| format!("{hash}\n")).collect();
        let name = self.pushed.file_name().unwrap_or_default().to_string_lossy();
        atomic::write(&Dir::open(folder)?, &name, 0o600, lines.concat().as_bytes())
    }

    /// The file with the content.
    pub fn file(&self, hash: Hash) -> Result<File> {
        let path = self.folder.join(hash.to_string());
        File::open(&path).or_cannot("open", &path)
    }

    /// Keeps the public contents of the tree, and removes older ones for which there is no room.
    pub fn keep(&self, tree: &Source) -> Result<()> {
        let contents = tree.public_contents();
        self.store(tree, &contents)?;
        self.remember(&contents)
    }

    fn store(&self, tree: &Source, contents: &HashMap<Hash, usize>) -> Result<()> {
        let digest = tree.manifest.digest().to_string();
        let last = self.folder.join(LAST);
        if fs::read_to_string(&last).is_ok_and(|last| last == digest) {
            return Ok(());
        }
        make_private(&self.folder)?;
        let dir = Dir::open(&self.folder)?;
        let before = self.contents()?;
        let now = SystemTime::now();
        let mut room = self.most;
        let mut buffer = vec![0; BUFFER];
        for (&hash, &index) in contents {
            signal::check()?;
            let size = tree.size(index);
            if size < SMALLEST || size > room {
                continue;
            }
            room -= size;
            match before.get(&hash) {
                Some(content) => {
                    change("change time of", &content.path, || {
                        File::options().append(true).open(&content.path)?.set_modified(now)
                    })?;
                }
                None => copy(tree, index, (&dir, &hash.to_string()), now, &mut buffer)?,
            }
        }
        self.shrink(room, now)?;
        atomic::write(&dir, LAST, 0o600, digest.as_bytes())
    }

    /// Removes contents that were last used before `now`, the longest unused first, until the rest fits into `room` bytes.
    fn shrink(&self, mut room: u64, now: SystemTime) -> Result<()> {
        let mut others: Vec<Content> =
            self.contents()?.into_values().filter(|content| content.used < now).collect();
        others.sort_by_key(|content| std::cmp::Reverse(content.used));
        for content in others {
            match room.checked_sub(content.size) {
                Some(left) => room = left,
                None => change("remove", &content.path, || fs::remove_file(&content.path))?,
            }
        }
        Ok(())
    }

    fn contents(&self) -> Result<HashMap<Hash, Content>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
            entries => entries.or_cannot("read", &self.folder)?,
        };
        let mut contents = HashMap::new();
        for entry in entries {
            let entry = entry.or_cannot("read", &self.folder)?;
            let Some(hash) = entry.file_name().to_str().and_then(Hash::parse) else { continue };
            let path = entry.path();
            let found = entry.metadata().or_cannot("examine", &path)?;
            let used = found.modified().or_cannot("examine", &path)?;
            contents.insert(hash, Content { path, size: found.size(), used });
        }
        Ok(contents)
    }
}

/// Makes a folder that only its owner may enter.
fn make_private(folder: &Path) -> Result<()> {
    folder::make(folder)?;
    change("change mode of", folder, || fs::set_permissions(folder, Permissions::from_mode(0o700)))
}

/// Copies a file of the tree. The copy gets its name when it is complete.
fn copy(
    tree: &Source,
    index: usize,
    (dir, name): (&Dir, &str),
    now: SystemTime,
    buffer: &mut [u8],
) -> Result<()> {
    let path = tree.manifest.entries()[index].path();
    let (source, shown) = (tree.dir.file(path)?, tree.dir.shown(path));
    let temporary = atomic::temporary_name(name);
    dir.remove_tree(&temporary)?;
    let target = dir.create(&temporary, 0o600)?;
    let copied = copy_data(&source, &shown, &target, &dir.shown(&temporary), tree.size(index), buffer);
    let dated =
        copied.and_then(|_| change("change time of", dir.shown(&temporary), || target.set_modified(now)));
    match dated.and_then(|()| dir.rename(&temporary, name)) {
        Ok(()) => Ok(()),
        Err(error) => {
            dir.remove_tree(&temporary)?;
            Err(error)
        }
    }
}
