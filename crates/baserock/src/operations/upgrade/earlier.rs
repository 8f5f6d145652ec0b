//! The contents of an earlier try: some wait for their names, others are in the tree already.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use delta::Manifest;
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::segment::SEGMENT;
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{Error, Result};
use system::signal;

/// The tree of an earlier try.
pub struct EarlierTry<'a> {
    tree: Dir,
    contents: Option<Dir>,
    new: &'a Manifest,
    buffer: Vec<u8>,
}

struct Found {
    file: File,
    shown: PathBuf,
    size: u64,
}

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

impl<'a> EarlierTry<'a> {
    /// The tree of an earlier try to make the tree of this manifest; `contents` is the name of its folder of contents.
    pub fn new(tree: Dir, contents: &str, new: &'a Manifest) -> Result<Self> {
        let contents = tree.dir_if_exists(contents)?;
        Ok(EarlierTry { tree, contents, new, buffer: vec![0; BUFFER] })
    }

    /// The number of bytes of each content that is there.
    pub fn have(&mut self, all: &[Wanted]) -> Result<HashMap<Hash, u64>> {
        let mut have = HashMap::new();
        for wanted in all {
            let bytes = self.have_of(wanted)?;
            if bytes > 0 {
                have.insert(wanted.hash, bytes);
            }
        }
        Ok(have)
    }

    /// The number of bytes of the content that are there. A whole content is verified. A number of segments is not.
    fn have_of(&mut self, wanted: &Wanted) -> Result<u64> {
        let Some(Found { file, shown, size }) = self.find(wanted) else { return Ok(0) };
        if size < wanted.size {
            return Ok(size - size % SEGMENT);
        }
        match Hash::of_file(&file, wanted.size, &shown, &mut self.buffer, &signal::check) {
            Ok(found) if found == wanted.hash => Ok(wanted.size),
            Err(error @ Error::Interrupted(_)) => Err(error),
            // After a power cut a file may have lost its content.
            _ => Ok(0),
        }
    }

    /// Copies the part of the content that is there into the folder of another try.
    pub fn bring(&mut self, wanted: &Wanted, contents: &Dir) -> Result<()> {
        let Some(Found { file, shown, size }) = self.find(wanted) else { return Ok(()) };
        let name = wanted.hash.to_string();
        let (target, target_shown) = (contents.create(&name, 0o600)?, contents.shown(&name));
        copy_data(&file, &shown, &target, &target_shown, size, &mut self.buffer).map(drop)
    }

    /// The file that has the content or a part of it, as far as its name and size tell.
    fn find(&self, wanted: &Wanted) -> Option<Found> {
        let waiting =
            self.contents.as_ref().and_then(|contents| regular(contents, wanted.hash.to_string().as_ref()));
        // The file in the tree may still be that of the basis. Only its hash tells.
        let named = || regular(&self.tree, wanted.entry.of(self.new).path());
        waiting.or_else(|| named().filter(|found| found.size == wanted.size))
    }
}

/// The regular file of this path. A file that cannot be opened counts as missing, and is sent again. Nothing else is opened, because
/// opening a device can have effects.
fn regular(dir: &Dir, path: &Path) -> Option<Found> {
    let shown = dir.shown(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.map_or_else(|| dir.duplicate(), |parent| dir.dir(parent)).ok()?;
    let name = path.file_name()?;
    let stat = dir.stat_of(name).ok()??;
    let file = (stat.st_mode & libc::S_IFMT == libc::S_IFREG).then(|| dir.file(name))?.ok()?;
    Some(Found { file, shown, size: stat.st_size.cast_unsigned() })
}
