//! The contents that have arrived: each in a file of its own, named by its hash, verified when it is complete.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use baserock::atomic;
use baserock::dir::Dir;
use baserock::error::{Error, OrCannot, Result, if_exists};
use baserock::resolve::Links;
use baserock::step::change;
use delta::apply::Contents;
use delta::blocks::{self, Base};
use delta::hash::{Hash, Hasher};
use delta::plan::Wanted;
use delta::segment::SEGMENT;
use nix::fcntl::OFlag;

/// The folder of contents.
pub struct Store {
    dir: Dir,
    open: Option<Open>,
    buffer: Vec<u8>,
}

/// The content that is being written.
struct Open {
    hash: Hash,
    size: u64,
    file: File,
    hasher: Hasher,
    position: u64,
}

/// Read at a time.
const BUFFER: usize = 1 << 20;

impl Store {
    /// The contents in this folder.
    pub fn new(dir: Dir) -> Self {
        Store { dir, open: None, buffer: vec![0; BUFFER] }
    }

    /// How much of the content is there, verified where it is complete: all of it, or a number of segments.
    pub fn have(&mut self, wanted: &Wanted) -> Result<u64> {
        let name = wanted.hash.to_string();
        let Some(file) = if_exists(self.dir.file(&name))? else { return Ok(0) };
        let shown = self.dir.shown(&name);
        let length = file.metadata().or_cannot("examine", &shown)?.len();
        if length < wanted.size {
            return Ok(length - length % SEGMENT);
        }
        let found = Hash::of_file(&file, wanted.size, &shown, &mut self.buffer);
        match found {
            Ok(found) if found == wanted.hash => return Ok(wanted.size),
            Err(error @ Error::Interrupted(_)) => return Err(error),
            // After a power cut a file may be there without what was in it.
            _ => self.dir.remove_file(&name)?,
        }
        Ok(0)
    }

    /// The next bytes of a content, from `start` on, in order. Returns whether, at its end, the content is what its hash says; one that is not
    /// is thrown away.
    pub fn write(
        &mut self,
        wanted: &Wanted,
        start: u64,
        bytes: &[u8],
        base: Option<&Base<'_>>,
    ) -> Result<bool> {
        let name = wanted.hash.to_string();
        let shown = self.dir.shown(&name);
        let mut open = match self.open.take() {
            Some(open) if open.hash == wanted.hash && open.position == start => open,
            _ => self.begin(wanted, start, &name)?,
        };
        let end = start + bytes.len() as u64;
        blocks::write(&open.file, &shown, start, bytes, base)?;
        // The length tells the next try how much is there; zeros at the end of what came are a hole, and not there yet.
        set_length(&open.file, &shown, end)?;
        open.hasher.add(bytes);
        open.position = end;
        if end < open.size {
            self.open = Some(open);
            return Ok(true);
        }
        if open.hasher.finish() == wanted.hash {
            return Ok(true);
        }
        self.dir.remove_file(&name)?;
        Ok(false)
    }

    fn begin(&mut self, wanted: &Wanted, start: u64, name: &str) -> Result<Open> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT;
        let file = File::from(self.dir.open_with(name, flags, 0o600, Links::Refuse)?);
        let shown = self.dir.shown(name);
        set_length(&file, &shown, start)?;
        let mut hasher = Hasher::default();
        let mut position = 0;
        while position < start {
            let count = usize::try_from(start - position).unwrap_or(BUFFER).min(BUFFER);
            file.read_exact_at(&mut self.buffer[..count], position).or_cannot("read", &shown)?;
            hasher.add(&self.buffer[..count]);
            position += count as u64;
        }
        Ok(Open { hash: wanted.hash, size: wanted.size, file, hasher, position })
    }
}

/// A length that the file has is not set again: btrfs would write the file out, and wait for that.
fn set_length(file: &File, shown: &Path, length: u64) -> Result<()> {
    if file.metadata().or_cannot("examine", shown)?.len() == length {
        return Ok(());
    }
    change("set the length of", shown, || file.set_len(length))
}

impl Contents for Store {
    /// The file itself becomes the name's: the folder is in the same subvolume.
    fn put(&mut self, wanted: &Wanted, dir: &Dir, name: &Path) -> Result<()> {
        atomic::publish(&self.dir, wanted.hash.to_string(), dir, name)
    }
}
