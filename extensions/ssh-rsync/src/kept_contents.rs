//! Contents of earlier pushes. The sender keeps them so that the next push can send differences to them.
//!
//! The folder has one file for each content, named by its hash. The file shares its blocks with the tree that was pushed, if the filesystem
//! can share. When the folder is full, the contents whose last push is longest ago are removed first. Nothing depends on the folder: a
//! damaged content makes a wrong answer, and the target notices that and asks again.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use delta::hash::Hash;
use delta::predecessors::SMALLEST;
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::step::change;
use system::{atomic, folder, signal};

use crate::source::Source;

/// The folder of kept contents.
pub struct KeptContents {
    folder: PathBuf,
    most: u64,
}

/// A content in the folder.
struct Content {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

/// The file in the folder with the digest of the tree that was kept last.
const LAST: &str = "last";
/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

impl KeptContents {
    /// The contents in `folder`, which need not exist yet. They take at most `most` bytes together.
    pub fn new(folder: PathBuf, most: u64) -> Self {
        KeptContents { folder, most }
    }

    /// The hashes of all contents in the folder.
    pub fn hashes(&self) -> Result<Vec<Hash>> {
        Ok(self.contents()?.into_keys().collect())
    }

    /// The file with the content.
    pub fn file(&self, hash: Hash) -> Result<File> {
        let path = self.folder.join(hash.to_string());
        File::open(&path).or_cannot("open", &path)
    }

    /// Keeps the contents of the tree, and removes older ones for which there is no room.
    pub fn keep(&self, tree: &Source) -> Result<()> {
        let digest = tree.manifest.digest().to_string();
        let last = self.folder.join(LAST);
        if fs::read_to_string(&last).is_ok_and(|last| last == digest) {
            return Ok(());
        }
        folder::make(&self.folder)?;
        change("change mode of", &self.folder, || {
            fs::set_permissions(&self.folder, Permissions::from_mode(0o700))
        })?;
        let dir = Dir::open(&self.folder)?;
        let before = self.contents()?;
        let now = SystemTime::now();
        let mut room = self.most;
        let mut buffer = vec![0; BUFFER];
        for (hash, index) in tree.contents() {
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
