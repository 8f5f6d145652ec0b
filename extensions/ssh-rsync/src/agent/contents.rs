//! The contents that have arrived: each in a file of its own, named by its hash, verified when it is complete.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use baserock::atomic;
use baserock::copy::copy_data;
use baserock::dir::Dir;
use baserock::error::{OrCannot, Result};
use baserock::resolve::Links;
use baserock::step::change;
use delta::apply::Contents;
use delta::blocks::{self, Base};
use delta::hash::{Hash, Hasher};
use delta::plan::Wanted;
use nix::fcntl::OFlag;

use super::earlier::Found;

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

    /// Takes over what an earlier try has of the content.
    pub fn take(&mut self, wanted: &Wanted, found: &Found) -> Result<()> {
        let name = wanted.hash.to_string();
        let (target, shown) = (self.dir.create(&name, 0o600)?, self.dir.shown(&name));
        copy_data(&found.file, &found.shown, &target, &shown, found.size, &mut self.buffer).map(drop)
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

/// The contents that are complete.
pub struct Complete<'a>(pub &'a Dir);

impl Contents for Complete<'_> {
    /// The file itself becomes the name's: the folder is in the same subvolume.
    fn put(&mut self, wanted: &Wanted, dir: &Dir, name: &Path) -> Result<()> {
        atomic::publish(self.0, wanted.hash.to_string(), dir, name)
    }
}
