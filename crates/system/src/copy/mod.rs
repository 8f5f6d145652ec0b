//! Trees copied with everything that belongs to them: owners, modes, times, xattrs and ACLs, hard links, holes, device nodes,
//! sockets and FIFOs; by reflink where the filesystem shares blocks.

mod data;
mod metadata;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, mknodat};
use nix::unistd::linkat;

pub use data::copy_data;
pub use metadata::{Owners, copy_metadata, set_times, xattr, xattr_names};

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::resolve;
use crate::signal;
use crate::step::change;

/// Copies trees; one copier keeps hard links together across all that it copies into one destination.
pub struct Copier<'a> {
    destination: &'a Dir,
    owners: Owners,
    progress: Option<&'a dyn Fn(u64)>,
    seen: HashMap<(u64, u64), PathBuf>,
    skipped_mounts: Vec<PathBuf>,
    buffer: Vec<u8>,
    stats: Stats,
}

/// What a copier has copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Names made, directories included.
    pub entries: u64,
    /// Bytes of file content, holes not counted.
    pub bytes: u64,
    /// Of these, bytes that were shared instead of copied.
    pub shared: u64,
}

/// Size of the buffer through which data goes that cannot be shared: 1 MiB.
const BUFFER: usize = 1 << 20;

impl<'a> Copier<'a> {
    /// A copier into `destination`; paths given to its methods are relative to that.
    pub fn new(destination: &'a Dir) -> Self {
        Copier {
            destination,
            owners: Owners::default(),
            progress: None,
            seen: HashMap::new(),
            skipped_mounts: Vec::new(),
            buffer: vec![0; BUFFER],
            stats: Stats::default(),
        }
    }

    /// Gives copied files these owners where the source's have moved.
    #[must_use]
    pub fn owners(mut self, owners: Owners) -> Self {
        self.owners = owners;
        self
    }

    /// Calls this with the number of bytes copied so far, after each file.
    #[must_use]
    pub fn progress(mut self, report: &'a dyn Fn(u64)) -> Self {
        self.progress = Some(report);
        self
    }

    /// What has been copied.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Mount points in the source: copied as empty directories, since nothing crosses a mount.
    pub fn skipped_mounts(&self) -> &[PathBuf] {
        &self.skipped_mounts
    }

    /// Copies everything below `from`, and its own metadata, to the existing directory `to` of the destination (empty: itself).
    pub fn contents(&mut self, from: &Dir, to: &Path) -> Result<()> {
        let mount = resolve::mount_id(from.as_fd(), &from.shown(""))?;
        self.directory(from, to, mount)
    }

    /// Copies the one thing `name` in `from`, with all that is below it, to the free name `to` of the destination.
    pub fn entry(&mut self, from: &Dir, name: &OsStr, to: &Path) -> Result<()> {
        let mount = resolve::mount_id(from.as_fd(), &from.shown(""))?;
        self.any(from, name, to, mount)
    }

    /// What was copied to `from` in the destination is at `to` now: more names of the same files become links to it there.
    pub fn moved(&mut self, from: &Path, to: &Path) {
        for path in self.seen.values_mut() {
            if let Ok(inside) = path.strip_prefix(from) {
                *path = if inside.as_os_str().is_empty() { to.to_owned() } else { to.join(inside) };
            }
        }
    }

    fn directory(&mut self, from: &Dir, to: &Path, mount: Option<u64>) -> Result<()> {
        for entry in from.entries()? {
            self.any(from, &entry.name, &to.join(&entry.name), mount)?;
        }
        self.metadata(from, "".as_ref(), &from.stat()?, to)
    }

    fn any(&mut self, from: &Dir, name: &OsStr, to: &Path, mount: Option<u64>) -> Result<()> {
        signal::check()?;
        let stat = from.stat_of(name)?.ok_or_else(|| changed(&from.shown(name)))?;
        self.stats.entries += 1;
        match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFDIR => self.subdirectory(from, name, to, mount),
            _ if self.link_to_seen(&stat, to)? => Ok(()),
            SFlag::S_IFREG => self.regular(from, name, to),
            SFlag::S_IFLNK => {
                self.destination.symlink(from.read_link(name)?, to)?;
                self.metadata(from, name, &stat, to)
            }
            kind => {
                let mode = Mode::from_bits_truncate(0o600);
                change("create special file", self.destination.shown(to), || {
                    mknodat(self.destination, to, kind, mode, stat.st_rdev)
                })?;
                self.metadata(from, name, &stat, to)
            }
        }
    }

    fn subdirectory(&mut self, from: &Dir, name: &OsStr, to: &Path, mount: Option<u64>) -> Result<()> {
        let source = from.dir(name)?;
        self.destination.make_dir(to, 0o700)?;
        let here = resolve::mount_id(source.as_fd(), &source.shown(""))?;
        // Kernels that do not tell the mount tell the device, which differs for a nested subvolume too.
        let crossed = match (mount, here) {
            (Some(above), Some(here)) => above != here,
            _ => from.stat()?.st_dev != source.stat()?.st_dev,
        };
        if crossed {
            self.skipped_mounts.push(source.shown(""));
            return self.metadata(&source, "".as_ref(), &source.stat()?, to);
        }
        self.directory(&source, to, mount)
    }

    fn regular(&mut self, from: &Dir, name: &OsStr, to: &Path) -> Result<()> {
        let shown = self.destination.shown(to);
        let source = from.file(name)?;
        let stat = nix::sys::stat::fstat(&source).or_cannot("examine", from.shown(name))?;
        let target = self.destination.create(to, 0o600)?;
        let (copied, shared) = copy_data(
            &source,
            &from.shown(name),
            &target,
            &shown,
            stat.st_size.cast_unsigned(),
            &mut self.buffer,
        )?;
        self.stats.bytes += copied;
        self.stats.shared += shared;
        if let Some(report) = self.progress {
            report(self.stats.bytes);
        }
        self.metadata(from, name, &stat, to)
    }

    /// Whether the inode was copied before, and the new name is now a link to that copy.
    fn link_to_seen(&mut self, stat: &FileStat, to: &Path) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let Some(first) = self.seen.get(&(stat.st_dev, stat.st_ino)) else {
            self.seen.insert((stat.st_dev, stat.st_ino), to.to_owned());
            return Ok(false);
        };
        change("link", self.destination.shown(to), || {
            linkat(self.destination, first.as_path(), self.destination, to, AtFlags::empty())
        })?;
        Ok(true)
    }

    fn metadata(&self, from: &Dir, name: &OsStr, stat: &FileStat, to: &Path) -> Result<()> {
        copy_metadata((from, name.as_ref()), stat, (self.destination, to), &self.owners)
    }
}

fn changed(path: &Path) -> Error {
    Error::refused(format!(
        "{} changed while it was being copied; try again when nothing writes to it",
        path.display()
    ))
}
