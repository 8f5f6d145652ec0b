//! Copies trees with everything that belongs to them: owners, modes, times, flags, xattrs and ACLs, hard links, holes, device nodes,
//! sockets and FIFOs. Content is reflinked if the filesystem can share blocks.

mod data;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, mknodat};
use nix::unistd::linkat;

pub use data::copy_data;

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::flags;
use crate::inode::{Inode, is_directory, times};
use crate::metadata::{Flags, Metadata, Times};
use crate::observer::Observer;
use crate::owners::IdMoves;
use crate::signal;
use crate::step::change;
use crate::trail::Trail;
use crate::walk::{Visit, Walk};

/// Copies trees into one destination. Hard links between files of several trees are kept if one copier copies all of them.
pub struct Copier<'a> {
    destination: &'a Dir,
    moves: IdMoves,
    progress: Option<&'a dyn Fn(u64)>,
    seen: HashMap<(u64, u64), PathBuf>,
    left_out: LeftOut,
    /// The copies that get flags at the end. Until then they can be linked and renamed.
    fixed: Vec<Fixed>,
    buffer: Vec<u8>,
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

/// Size of the buffer for data that cannot be shared: 1 MiB.
const BUFFER: usize = 1 << 20;

impl<'a> Copier<'a> {
    /// A copier into `destination`. The target paths that its methods take are relative to it.
    pub fn new(destination: &'a Dir) -> Self {
        Copier {
            destination,
            moves: IdMoves::default(),
            progress: None,
            seen: HashMap::new(),
            left_out: LeftOut::default(),
            fixed: Vec::new(),
            buffer: vec![0; BUFFER],
            stats: Stats::default(),
        }
    }

    /// Changes the owner numbers of copied files, and those in their ACLs, as `moves` says.
    #[must_use]
    pub fn moves(mut self, moves: IdMoves) -> Self {
        self.moves = moves;
        self
    }

    /// Calls `report` after each file with the number of bytes copied so far.
    #[must_use]
    pub fn progress(mut self, report: &'a dyn Fn(u64)) -> Self {
        self.progress = Some(report);
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
        if !is_directory(&stat) {
            let open = || from.file(name).map(Arc::new);
            return self.one(from, name, &stat, &open, (destination, to), to);
        }
        self.stats.entries += 1;
        destination.make_dir(to, 0o700)?;
        self.tree(from.dir(name)?, destination.dir(to)?, to)
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

    /// Sets the flags that forbid changes, after the last rename.
    pub fn fix(&mut self) -> Result<()> {
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
                let file = open()?;
                return self.regular(&file, from.shown(name), into, to);
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

    fn regular(
        &mut self,
        source: &File,
        source_shown: PathBuf,
        (into, new_name): (&Dir, &Path),
        to: &Path,
    ) -> Result<()> {
        let shown = into.shown(new_name);
        let stat = nix::sys::stat::fstat(source).or_cannot("examine", &source_shown)?;
        let target = into.create(new_name, 0o600)?;
        let size = stat.st_size.cast_unsigned();
        let (copied, shared) = copy_data(source, &source_shown, &target, &shown, size, &mut self.buffer)?;
        self.stats.bytes += copied;
        self.stats.shared += shared;
        if let Some(report) = self.progress {
            report(self.stats.bytes);
        }
        let (source, target) =
            (Inode::open(source.as_fd(), source_shown), Inode::open(target.as_fd(), shown));
        self.copy_metadata(&source, &stat, &target, to)
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
        target.give(metadata, times)?;
        let flags = metadata.flags;
        if flags.is_fixed() {
            // The top of the destination stays changeable, so that the caller can go on to work with it.
            let (path, from) = (to.to_owned(), from.to_owned());
            if path.as_os_str().is_empty() {
                self.left_out.flags.push(from);
            } else {
                self.fixed.push(Fixed { path, flags, from });
            }
        } else if !target.add_flags(flags)? {
            self.left_out.flags.push(from.to_owned());
        }
        Ok(())
    }
}

/// A copy of a tree that follows a walk.
pub struct TreeCopy<'c, 'a> {
    copier: &'c mut Copier<'a>,
    trail: Trail,
    to: PathBuf,
    /// The metadata of the directories on the trail. It is set when the walk leaves them.
    directories: Vec<(Metadata, Times, PathBuf)>,
}

impl TreeCopy<'_, '_> {
    /// Copies the name that the walk visits.
    pub fn visit(&mut self, visit: Visit<'_>) -> Result<()> {
        signal::check()?;
        match visit {
            Visit::Enter(place, dir) => {
                let source = Inode::open(dir.as_fd(), dir.shown(""));
                let stat = source.stat()?;
                let metadata = self.copier.metadata(&source, &stat)?;
                self.directories.push((metadata, times(&stat), dir.shown("")));
                if !place.is_top() {
                    self.copier.stats.entries += 1;
                    self.trail.here()?.make_dir(place.name, 0o700)?;
                    let made = self.trail.here()?.dir(place.name)?;
                    self.trail.enter(made)?;
                }
            }
            Visit::Leave(place) => {
                if let Some((metadata, times, shown)) = self.directories.pop() {
                    let made = self.trail.here()?;
                    let target = Inode::open(made.as_fd(), made.shown(""));
                    self.copier.give(&metadata, times, &shown, &target, &self.to.join(place.path))?;
                }
                if !place.is_top() {
                    self.trail.leave()?;
                }
            }
            Visit::Name(place) => {
                let stat = stat_of(place.dir, place.name)?;
                let target = (self.trail.here()?, place.name);
                let to = self.to.join(place.path);
                self.copier.one(place.dir, place.name, &stat, &|| place.file(), target, &to)?;
            }
            Visit::Mount(place) => {
                let target = (self.trail.here()?, place.name);
                self.copier.mount_point(place.dir, place.name, target, &self.to.join(place.path))?;
            }
        }
        Ok(())
    }
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
