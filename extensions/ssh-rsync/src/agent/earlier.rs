//! What an earlier try has got: contents that wait for their names, and files that have theirs already.

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
pub struct Earlier<'a> {
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

/// Read at a time.
const BUFFER: usize = 1 << 20;

impl<'a> Earlier<'a> {
    /// That of a try to make the tree of this manifest; `contents` is the name of the folder of contents in it.
    pub fn new(tree: Dir, contents: &str, new: &'a Manifest) -> Result<Self> {
        let contents = tree.dir_if_exists(contents)?;
        Ok(Earlier { tree, contents, new, buffer: vec![0; BUFFER] })
    }

    /// How much of the content is there, verified where it is complete: all of it, or a number of segments.
    pub fn have(&mut self, wanted: &Wanted) -> Result<u64> {
        let Some(Found { file, shown, size }) = self.find(wanted) else { return Ok(0) };
        if size < wanted.size {
            return Ok(size - size % SEGMENT);
        }
        match Hash::of_file(&file, wanted.size, &shown, &mut self.buffer, &signal::check) {
            Ok(found) if found == wanted.hash => Ok(wanted.size),
            Err(error @ Error::Interrupted(_)) => Err(error),
            // After a power cut a file may be there without what was in it.
            _ => Ok(0),
        }
    }

    /// Brings what there is of the content to the folder of another try.
    pub fn bring(&mut self, wanted: &Wanted, contents: &Dir) -> Result<()> {
        let Some(Found { file, shown, size }) = self.find(wanted) else { return Ok(()) };
        let name = wanted.hash.to_string();
        let (target, target_shown) = (contents.create(&name, 0o600)?, contents.shown(&name));
        copy_data(&file, &shown, &target, &target_shown, size, &mut self.buffer).map(drop)
    }

    /// The file that has the content, or a part of it, or is to have it.
    fn find(&self, wanted: &Wanted) -> Option<Found> {
        let waiting =
            self.contents.as_ref().and_then(|contents| regular(contents, wanted.hash.to_string().as_ref()));
        // Under its name may be what the basis has there.
        let named = || regular(&self.tree, self.new.entries()[wanted.entry].path());
        waiting.or_else(|| named().filter(|found| found.size == wanted.size))
    }
}

/// The regular file of this path. One that cannot be opened counts as none, it is sent again; and what is no regular file is not opened, of
/// a device that would be more than looking.
fn regular(dir: &Dir, path: &Path) -> Option<Found> {
    let shown = dir.shown(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.map_or_else(|| dir.duplicate(), |parent| dir.dir(parent)).ok()?;
    let name = path.file_name()?;
    let stat = dir.stat_of(name).ok()??;
    let file = (stat.st_mode & libc::S_IFMT == libc::S_IFREG).then(|| dir.file(name))?.ok()?;
    Some(Found { file, shown, size: stat.st_size.cast_unsigned() })
}
