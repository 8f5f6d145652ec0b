//! The contents that arrive: each under its name in the new tree once it is complete and verified. One that comes in several parts is
//! collected in a folder until then, in a file named by its hash.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::Receiver;

use delta::apply::Placer;
use delta::blocks::{self, Base};
use delta::hash::{Hash, Hasher};
use delta::plan::Wanted;
use nix::fcntl::OFlag;
use system::atomic;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::resolve::Links;
use system::step::change;

/// Contents, and their names.
pub struct Store<'a> {
    dir: &'a Dir,
    placer: Placer<'a>,
    /// Tells when the tree is prepared for them.
    prepared: Option<Receiver<()>>,
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

/// Read at a time.
const BUFFER: usize = 1 << 20;

impl<'a> Store<'a> {
    /// Collects in this folder of the tree that the placer knows; nothing gets its name before `prepared` says so.
    pub fn new(dir: &'a Dir, placer: Placer<'a>, prepared: Receiver<()>) -> Self {
        Store { dir, placer, prepared: Some(prepared), open: None, buffer: vec![0; BUFFER] }
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
        // The length tells the next try how much is there; zeros at the end of what came are a hole, and not there yet.
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
        self.wait_until_prepared()?;
        self.placer.place(wanted, |dir, name| {
            let (file, shown) = (dir.create(name, 0o600)?, dir.shown(name));
            blocks::write(&file, &shown, 0, bytes, base)?;
            set_length(&file, &shown, wanted.size)
        })?;
        Ok(true)
    }

    /// Gives its name to a content that is complete in the folder: the file itself, both are in the same subvolume.
    pub fn collected(&mut self, wanted: &Wanted) -> Result<()> {
        self.wait_until_prepared()?;
        self.placer.place(wanted, |dir, name| atomic::publish(self.dir, wanted.hash.to_string(), dir, name))
    }

    fn wait_until_prepared(&mut self) -> Result<()> {
        match self.prepared.take().map(|prepared| prepared.recv()) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Error::refused("the new tree cannot be prepared")),
        }
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

/// A length that the file has is not set again: btrfs would write the file out, and wait for that.
fn set_length(file: &File, shown: &Path, length: u64) -> Result<()> {
    if file.metadata().or_cannot("examine", shown)?.len() == length {
        return Ok(());
    }
    change("set the length of", shown, || file.set_len(length))
}
