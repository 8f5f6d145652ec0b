//! The contents that have arrived: each in a file of its own, named by its hash, verified when it is complete.

use std::fs::File;
use std::path::Path;

use baserock::copy::copy_data;
use baserock::dir::Dir;
use baserock::error::{OrCannot, Result, if_exists};
use baserock::resolve::Links;
use baserock::step::change;
use delta::apply::Contents;
use delta::blocks::{self, Base};
use delta::hash::{Hash, Hasher};
use delta::plan::Wanted;
use delta::segment::SEGMENT;
use nix::fcntl::OFlag;

use super::incoming::PART;

/// The folder of contents.
pub struct Store<'a> {
    dir: &'a Dir,
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

impl<'a> Store<'a> {
    /// The contents in this folder.
    pub fn new(dir: &'a Dir) -> Self {
        Store { dir, open: None, buffer: vec![0; BUFFER] }
    }

    /// How much of the content is there, verified where it is complete: all of it, or a number of segments.
    pub fn have(&mut self, wanted: &Wanted) -> Result<u64> {
        let name = wanted.hash.to_string();
        if let Some(file) = if_exists(self.dir.file(&name))? {
            let found = Hash::of_file(&file, wanted.size, &self.dir.shown(&name), &mut self.buffer);
            // After a power cut a file may be there without what was in it.
            if found.is_ok_and(|found| found == wanted.hash) {
                return Ok(wanted.size);
            }
            self.dir.remove_file(&name)?;
        }
        let part = self.dir.stat_of(format!("{name}{PART}"))?;
        let length = part.map_or(0, |stat| stat.st_size.cast_unsigned());
        Ok(if length < wanted.size { length - length % SEGMENT } else { 0 })
    }

    /// The next bytes of a content, from `start` on, in order. Blocks that the base has are shared with it. Returns whether, at its end, the
    /// content is what its hash says; one that is not is thrown away.
    pub fn write(
        &mut self,
        wanted: &Wanted,
        start: u64,
        bytes: &[u8],
        base: Option<&Base<'_>>,
    ) -> Result<bool> {
        let name = wanted.hash.to_string();
        let part = format!("{name}{PART}");
        let shown = self.dir.shown(&part);
        let mut open = match self.open.take() {
            Some(open) if open.hash == wanted.hash && open.position == start => open,
            _ => self.begin(wanted, start, &part)?,
        };
        let end = start + bytes.len() as u64;
        // The length tells the next try how much is there: it grows with what is written.
        change("set the length of", &shown, || open.file.set_len(end))?;
        blocks::write(&open.file, &shown, start, bytes, base)?;
        open.hasher.add(bytes);
        open.position = end;
        if end < open.size {
            self.open = Some(open);
            return Ok(true);
        }
        if open.hasher.finish() == wanted.hash {
            self.dir.rename(&part, &name)?;
            return Ok(true);
        }
        self.dir.remove_file(&part)?;
        Ok(false)
    }

    fn begin(&mut self, wanted: &Wanted, start: u64, part: &str) -> Result<Open> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT;
        let file = File::from(self.dir.open_with(part, flags, 0o600, Links::Refuse)?);
        let shown = self.dir.shown(part);
        change("set the length of", &shown, || file.set_len(start))?;
        let mut hasher = Hasher::default();
        let mut position = 0;
        while position < start {
            use std::os::unix::fs::FileExt;
            let count = usize::try_from(start - position).unwrap_or(BUFFER).min(BUFFER);
            file.read_exact_at(&mut self.buffer[..count], position).or_cannot("read", &shown)?;
            hasher.add(&self.buffer[..count]);
            position += count as u64;
        }
        Ok(Open { hash: wanted.hash, size: wanted.size, file, hasher, position })
    }
}

impl Contents for Store<'_> {
    fn fill(&mut self, wanted: &Wanted, target: &File, shown: &Path) -> Result<()> {
        let name = wanted.hash.to_string();
        let source = self.dir.file(&name)?;
        copy_data(&source, &self.dir.shown(&name), target, shown, wanted.size, &mut self.buffer).map(drop)
    }
}
