//! Copies trees with everything that belongs to them: owners, modes, times, flags, xattrs and ACLs, hard links, holes, device nodes,
//! sockets and FIFOs. Content is reflinked if the filesystem can share blocks.

mod data;
mod files;
mod tree;
mod witness;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, mknodat};
use nix::unistd::linkat;

pub use data::copy_data;
pub use tree::TreeCopy;
pub use witness::{MakeWitness, Witness};

use files::{Copied, Files, Job};

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::flags;
use crate::inode::{Inode, is_directory, times};
use crate::metadata::{Flags, Metadata, Times};
use crate::observer::Observer;
use crate::owners::IdMoves;
use crate::step::change;
use crate::trail::Trail;
use crate::walk::Walk;

/// Copies trees into one destination. Hard links between files of several trees are kept if one copier copies all of them.
pub struct Copier<'a> {
    destination: &'a Dir,
    moves: Arc<IdMoves>,
    progress: Option<&'a dyn Fn(u64)>,
    witness: Option<&'a MakeWitness<'a>>,
    seen: HashMap<(u64, u64), PathBuf>,
    left_out: LeftOut,
    /// The copies that get flags at the end. Until then they can be linked and renamed.
    fixed: Vec<Fixed>,
    files: Files,
    stats: Stats,
}

/// A copy whose flags forbid any later change.
struct Fixed {
    /// Its path in the destination.
    path: PathBuf,
    flags: Flags,
    from: PathBuf,
}

/// Counts the work of a copier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of names that were made, directories included.
    pub entries: u64,
    /// Bytes of file content. Holes are not counted.
    pub bytes: u64,
    /// The part of [`Stats::bytes`] that was shared instead of copied.
    pub shared: u64,
}

/// The parts that a copy lacks, as paths of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Mount points. A directory is copied empty and a file is left out, because a copy does not cross mounts.
    pub mounts: Vec<PathBuf>,
    /// Files and directories whose flags (`chattr`) could not be set in the destination.
    pub flags: Vec<PathBuf>,
}

impl LeftOut {
    /// Notes each path for the user.
    pub fn name(&self, observer: &dyn Observer) {
        for path in &self.mounts {
            observer
                .warn(format!("{} is a mount point; what is mounted there is not copied", path.display()));
        }
        for path in &self.flags {
            observer.warn(format!("the copy of {} is without its flags (chattr)", path.display()));
        }
    }
}

impl<'a> Copier<'a> {
    /// A copier into `destination`. The target paths that its methods take are relative to it.
    pub fn new(destination: &'a Dir) -> Self {
        Copier {
            destination,
            moves: Arc::new(IdMoves::default()),
            progress: None,
            witness: None,
            seen: HashMap::new(),
            left_out: LeftOut::default(),
            fixed: Vec::new(),
            files: Files::default(),
            stats: Stats::default(),
        }
    }

    /// Changes the owner numbers of copied files, and those in their ACLs, as `moves` says.
    #[must_use]
    pub fn moves(mut self, moves: IdMoves) -> Self {
        self.moves = Arc::new(moves);
        self
    }

    /// Calls `report` now and then with the number of bytes copied so far.
    #[must_use]
    pub fn progress(mut self, report: &'a dyn Fn(u64)) -> Self {
        self.progress = Some(report);
        self
    }

    /// Calls `witness` for each file, to make somebody who sees its content. No content is shared then, because all of it has to be read.
    #[must_use]
    pub fn witness(mut self, witness: &'a MakeWitness<'a>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The parts that were left out so far.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Copies everything below `from`, and the metadata of `from`, to the existing directory `to` of the destination. An empty `to` is the
    /// destination itself.
    pub fn contents(&mut self, from: &Dir, to: &Path) -> Result<()> {
        let is_top = to.as_os_str().is_empty();
        let into = if is_top { self.destination.duplicate()? } else { self.destination.dir(to)? };
        self.tree(from.duplicate()?, into, to)?;
        self.fix()
    }

    /// Copies `name` in `from`, which is no mount point, with everything below it, to the free name `to` of the destination.
    /// [`Copier::fix`] ends the copy.
    pub fn entry(&mut self, from: &Dir, name: &OsStr, to: &Path) -> Result<()> {
        let name = Path::new(name);
        let destination = self.destination;
        let stat = stat_of(from, name)?;
        if is_directory(&stat) {
            self.stats.entries += 1;
            destination.make_dir(to, 0o700)?;
            self.tree(from.dir(name)?, destination.dir(to)?, to)?;
        } else {
            let open = || from.file(name).map(Arc::new);
            self.one(from, name, &stat, &open, (destination, to), to)?;
        }
        self.settle()
    }

    /// Copies the directory `name` in `from` without anything that is in it. [`Copier::fix`] ends the copy.
    pub fn hollow(&mut self, from: &Dir, name: &OsStr, to: &Path) -> Result<()> {
        let destination = self.destination;
        self.empty(from, Path::new(name), (destination, to), to)
    }

    /// Tells the copier that the caller has renamed `from` in the destination to `to`, so that later hard links to its files find them.
    pub fn moved(&mut self, from: &Path, to: &Path) {
        for path in self.seen.values_mut().chain(self.fixed.iter_mut().map(|fixed| &mut fixed.path)) {
            if let Ok(inside) = path.strip_prefix(from) {
                *path = if inside.as_os_str().is_empty() { to.to_owned() } else { to.join(inside) };
            }
        }
    }

    /// Waits for the contents of all files, and then sets the flags that forbid changes, after the last rename. No copy is open afterwards.
    pub fn fix(&mut self) -> Result<()> {
        self.settle()?;
        self.files = Files::default();
        for Fixed { path, flags, from } in std::mem::take(&mut self.fixed).into_iter().rev() {
            if !flags::add_to(self.destination, &path, flags)? {
                self.left_out.flags.push(from);
            }
        }
        Ok(())
    }

    /// Begins a copy into the destination itself that follows the caller's own walk. The walk must visit the whole tree. [`Copier::fix`] ends
    /// the copy.
    pub fn follow(&mut self) -> Result<TreeCopy<'_, 'a>> {
        let into = self.destination.duplicate()?;
        self.tree_copy(into, Path::new(""))
    }

    /// Copies everything below `from` into the directory `into`, which is at `to` in the destination.
    fn tree(&mut self, from: Dir, into: Dir, to: &Path) -> Result<()> {
        let mut walk = Walk::new(from)?;
        let mut copy = self.tree_copy(into, to)?;
        while let Some(visit) = walk.next()? {
            copy.visit(visit)?;
        }
        Ok(())
    }

    fn tree_copy(&mut self, into: Dir, to: &Path) -> Result<TreeCopy<'_, 'a>> {
        Ok(TreeCopy { copier: self, trail: Trail::new(into)?, to: to.to_owned(), directories: Vec::new() })
    }

    /// Copies anything but a directory to the free name `into`. Its path in the destination is `to`. `open` opens a regular file.
    fn one(
        &mut self,
        from: &Dir,
        name: &Path,
        stat: &FileStat,
        open: &dyn Fn() -> Result<Arc<File>>,
        into: (&Dir, &Path),
        to: &Path,
    ) -> Result<()> {
        self.stats.entries += 1;
        if self.link_to_seen(stat, into, to)? {
            return Ok(());
        }
        match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFREG => {
                return self.regular(open()?, stat, from.shown(name), into, to);
            }
            SFlag::S_IFLNK => into.0.symlink(from.read_link(name)?, into.1)?,
            kind => {
                let mode = Mode::from_bits_truncate(0o600);
                change("create special file", into.0.shown(into.1), || {
                    mknodat(into.0, into.1, kind, mode, stat.st_rdev)
                })?;
            }
        }
        self.copy_metadata(&Inode::named(from, name), stat, &Inode::named(into.0, into.1), to)
    }

    /// Makes the copy of a file. Its content and metadata follow.
    fn regular(
        &mut self,
        source: Arc<File>,
        stat: &FileStat,
        source_shown: PathBuf,
        (into, new_name): (&Dir, &Path),
        to: &Path,
    ) -> Result<()> {
        let target = into.create(new_name, 0o600)?;
        let (shown, to) = (into.shown(new_name), to.to_owned());
        let (moves, witness) = (self.moves.clone(), self.witness.map(|make| make(stat)));
        let job = Job { source, source_shown, target, shown, to, moves, witness };
        let copied = self.files.copy(job, stat.st_size.cast_unsigned())?;
        self.note(copied);
        Ok(())
    }

    /// Waits until the content and metadata of all files are copied.
    fn settle(&mut self) -> Result<()> {
        let copied = self.files.settle()?;
        self.note(copied);
        Ok(())
    }

    /// Notes the outcomes of files.
    fn note(&mut self, copied: Vec<Copied>) {
        for Copied { bytes, shared, flagged, to, from } in copied {
            self.stats.bytes += bytes;
            self.stats.shared += shared;
            self.note_flags(flagged, &from, &to);
            if let Some(report) = self.progress {
                report(self.stats.bytes);
            }
        }
    }

    /// Copies a mount point: a directory as an empty one, with the metadata of the mounted one. A file is left out, because the file below
    /// the mount cannot be seen.
    fn mount_point(&mut self, from: &Dir, name: &Path, into: (&Dir, &Path), to: &Path) -> Result<()> {
        self.left_out.mounts.push(from.shown(name));
        if is_directory(&Inode::named(from, name).stat()?) {
            self.empty(from, name, into, to)
        } else {
            Ok(())
        }
    }

    /// Makes an empty directory with the metadata of the source.
    fn empty(&mut self, from: &Dir, name: &Path, into: (&Dir, &Path), to: &Path) -> Result<()> {
        self.stats.entries += 1;
        let source = Inode::named(from, name);
        let stat = source.stat()?;
        into.0.make_dir(into.1, 0o700)?;
        self.copy_metadata(&source, &stat, &Inode::named(into.0, into.1), to)
    }

    /// Links the new name to the earlier copy of the inode, if there is one. Returns whether it did.
    fn link_to_seen(&mut self, stat: &FileStat, into: (&Dir, &Path), to: &Path) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let Some(first) = self.seen.get(&(stat.st_dev, stat.st_ino)) else {
            self.seen.insert((stat.st_dev, stat.st_ino), to.to_owned());
            return Ok(false);
        };
        change("link", into.0.shown(into.1), || {
            linkat(self.destination, first.as_path(), into.0, into.1, AtFlags::empty())
        })?;
        Ok(true)
    }

    fn copy_metadata(
        &mut self,
        source: &Inode<'_>,
        stat: &FileStat,
        target: &Inode<'_>,
        to: &Path,
    ) -> Result<()> {
        self.give(&self.metadata(source, stat)?, times(stat), source.shown(), target, to)
    }

    /// The metadata for the copy of the source.
    fn metadata(&self, source: &Inode<'_>, stat: &FileStat) -> Result<Metadata> {
        let mut metadata = source.metadata(stat)?;
        metadata.apply_moves(&self.moves);
        Ok(metadata)
    }

    /// Sets the metadata of a copy, whose path in the destination is `to`. Flags that forbid changes are noted for the end.
    fn give(
        &mut self,
        metadata: &Metadata,
        times: Times,
        from: &Path,
        target: &Inode<'_>,
        to: &Path,
    ) -> Result<()> {
        let flagged = give(metadata, times, target)?;
        self.note_flags(flagged, from, to);
        Ok(())
    }

    fn note_flags(&mut self, flagged: Flagged, from: &Path, to: &Path) {
        match flagged {
            Flagged::All => {}
            // The top of the destination stays changeable, so that the caller can go on to work with it.
            Flagged::AtTheEnd(flags) if !to.as_os_str().is_empty() => {
                self.fixed.push(Fixed { path: to.to_owned(), flags, from: from.to_owned() });
            }
            Flagged::AtTheEnd(_) | Flagged::Not => self.left_out.flags.push(from.to_owned()),
        }
    }
}

/// The flags of a copy.
#[derive(Clone, Copy, Debug)]
enum Flagged {
    /// It has those of the source.
    All,
    /// It gets these at the end, because they forbid changes.
    AtTheEnd(Flags),
    /// It cannot have those of the source.
    Not,
}

/// Sets the metadata of a copy, but no flags that forbid changes.
fn give(metadata: &Metadata, times: Times, target: &Inode<'_>) -> Result<Flagged> {
    target.give(metadata, times)?;
    if metadata.flags.is_fixed() {
        return Ok(Flagged::AtTheEnd(metadata.flags));
    }
    Ok(if target.add_flags(metadata.flags)? { Flagged::All } else { Flagged::Not })
}

fn stat_of(dir: &Dir, name: &Path) -> Result<FileStat> {
    dir.stat_of(name)?.ok_or_else(|| changed(&dir.shown(name)))
}

fn changed(path: &Path) -> Error {
    Error::refused(format!(
        "{} changed while it was being copied; try again when nothing writes to it",
        path.display()
    ))
}
