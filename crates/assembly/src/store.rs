//! The contents that arrive. Each gets its name in the new tree when it is complete and verified. Until then, the parts of a large content
//! are collected in a folder, in a file named by the hash.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use delta::apply::Placer;
use delta::blocks::{self, Base};
use delta::hash::{Hash, Hasher};
use delta::plan::Wanted;
use nix::fcntl::OFlag;
use system::atomic;
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::resolve::Links;
use system::step::change;

use crate::progress::Progress;

/// Writes contents and gives them their names.
pub struct Store<'a> {
    dir: &'a Dir,
    placer: Placer<'a>,
    progress: &'a Progress,
    open: Option<Open>,
    buffer: Vec<u8>,
}

/// The content that is being written.
struct Open {
    hash: Hash,
    file: File,
    hasher: Hasher,
    position: u64,
}

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

impl<'a> Store<'a> {
    /// Collects contents in `dir`, a folder in the placer's tree. No content gets its name before the tree is prepared.
    pub fn new(dir: &'a Dir, placer: Placer<'a>, progress: &'a Progress) -> Self {
        Store { dir, placer, progress, open: None, buffer: vec![0; BUFFER] }
    }

    /// Writes the next bytes of a content, at `start`. Returns `false` if the content is now complete and does not match its hash; it is
    /// then deleted.
    pub fn write(
        &mut self,
        wanted: &Wanted,
        start: u64,
        bytes: &[u8],
        base: Option<&Base<'_>>,
    ) -> Result<bool> {
        let end = start + bytes.len() as u64;
        if start == 0 && end == wanted.size {
            return self.whole(wanted, bytes, base);
        }
        let name = wanted.hash.to_string();
        let shown = self.dir.shown(&name);
        let mut open = match self.open.take() {
            Some(open) if open.hash == wanted.hash && open.position == start => open,
            _ => self.begin(wanted, start, &name)?,
        };
        blocks::write(&open.file, &shown, start, bytes, base)?;
        // The next try learns from the length how much is there. Zeros at the end are left out as a hole and do not extend the file.
        set_length(&open.file, &shown, end)?;
        open.hasher.add(bytes);
        open.position = end;
        if end < wanted.size {
            self.open = Some(open);
            return Ok(true);
        }
        if open.hasher.finish() == wanted.hash {
            return self.collected(wanted).map(|()| true);
        }
        self.dir.remove_file(&name)?;
        Ok(false)
    }

    fn whole(&mut self, wanted: &Wanted, bytes: &[u8], base: Option<&Base<'_>>) -> Result<bool> {
        if Hash::of(bytes) != wanted.hash {
            return Ok(false);
        }
        self.place(wanted, |dir, name| {
            let (file, shown) = (dir.create(name, 0o600)?, dir.shown(name));
            blocks::write(&file, &shown, 0, bytes, base)?;
            set_length(&file, &shown, wanted.size)
        })?;
        Ok(true)
    }

    /// Gives its name to a content that is complete in the folder. The file is moved, because folder and tree are in one subvolume.
    pub fn collected(&mut self, wanted: &Wanted) -> Result<()> {
        let folder = self.dir;
        self.place(wanted, |dir, name| atomic::rename_no_replace(folder, wanted.hash.to_string(), dir, name))
    }

    fn place(&mut self, wanted: &Wanted, make: impl FnOnce(&Dir, &Path) -> Result<()>) -> Result<()> {
        self.progress.wait_until_prepared()?;
        self.placer.place(wanted, make)?;
        self.progress.placed(wanted.entry);
        Ok(())
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
        Ok(Open { hash: wanted.hash, file, hasher, position })
    }
}

/// Sets the length of a file, unless the file has it already: btrfs would write the file out, and wait for that.
fn set_length(file: &File, shown: &Path, length: u64) -> Result<()> {
    if file.metadata().or_cannot("examine", shown)?.len() == length {
        return Ok(());
    }
    change("set the length of", shown, || file.set_len(length))
}
