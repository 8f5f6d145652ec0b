//! Extents that files use only in part. btrfs frees an extent as a whole, so that one block of it keeps all others from being written to.
//!
//! Such extents remain when a file that shared some of its blocks with another is deleted. [`Usage::rewrite`] copies the parts that are used, and
//! lets all their users share the copy. The kernel compares the contents before. No content, time or flag of a file changes, so files may be in
//! use, and subvolumes read-only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::btrfs;
use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result, if_exists};
use crate::resolve::Links;
use crate::signal;
use crate::step::change;
use crate::sys::btrfs as ioctl;
use crate::sys::fs::dedupe_range;
use crate::sys::trees::{self, FilePart};

/// Bytes that are copied, and shared, at once. Before version 4.20 a kernel shares no more.
const AT_ONCE: usize = 16 << 20;

/// The use of the extents of some subvolumes.
#[derive(Debug)]
pub struct Usage<'a> {
    subvolumes: &'a [Dir],
    extents: HashMap<u64, Extent>,
}

/// The use of one extent.
#[derive(Debug)]
struct Extent {
    /// Bytes that it takes.
    stored: u64,
    /// Whether it can be copied to gain space: it holds contents as they are, and no other subvolume is known to use it.
    is_movable: bool,
    /// The parts that files use: offset in the extent, and length. Sorted. Nearly always it is one.
    parts: Vec<(u64, u64)>,
}

impl Extent {
    /// Bytes that a copy of the parts takes.
    fn used(&self) -> u64 {
        self.parts.iter().map(|(_, length)| length).sum()
    }

    /// Bytes that become free if the parts are copied. Parts that overlap are copied several times.
    fn gain(&self) -> u64 {
        if self.is_movable { self.stored.saturating_sub(self.used()) } else { 0 }
    }
}

/// Bytes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The extents that files use.
    pub stored: u64,
    /// The part of these that no file uses, and that [`Usage::rewrite`] can make free.
    pub unused: u64,
}

/// Reads which extents the files of the subvolumes use, as far as it is committed.
pub fn usage(subvolumes: &[Dir]) -> Result<Usage<'_>> {
    let mut usage = Usage { subvolumes, extents: HashMap::new() };
    for subvolume in subvolumes {
        parts(subvolume, |part| {
            let extent = usage.extents.entry(part.extent).or_insert_with(|| Extent {
                stored: part.stored,
                is_movable: true,
                parts: Vec::new(),
            });
            extent.is_movable &= part.is_plain;
            let key = (part.within, part.length);
            if let Err(at) = extent.parts.binary_search(&key) {
                extent.parts.insert(at, key);
            }
        })?;
    }
    Ok(usage)
}

impl Usage<'_> {
    /// The sum over all extents.
    pub fn amount(&self) -> Amount {
        let add = |sum: Amount, extent: &Extent| Amount {
            stored: sum.stored + extent.stored,
            unused: sum.unused + extent.gain(),
        };
        self.extents.values().fold(Amount::default(), add)
    }

    /// The addresses of the extents to rewrite, so that at most `tolerated` bytes stay unused. Those that give most for what is copied come first.
    fn worst(&self, tolerated: u64) -> HashSet<u64> {
        let mut wasteful: Vec<_> = self.extents.iter().filter(|(_, extent)| extent.gain() > 0).collect();
        wasteful.sort_by_key(|(address, extent)| (extent.used() * 1000 / extent.stored.max(1), **address));
        let mut unused = self.amount().unused;
        let mut worst = HashSet::new();
        for (&address, extent) in wasteful {
            if unused <= tolerated {
                break;
            }
            unused -= extent.gain();
            worst.insert(address);
        }
        worst
    }

    /// Leaves the extents that other subvolumes of the filesystem use as they are, because what is unused here may be used there. `any` is any
    /// directory of the filesystem.
    pub fn leave_shared(&mut self, any: &Dir) -> Result<()> {
        let mut own = HashSet::new();
        for subvolume in self.subvolumes {
            own.insert(btrfs::identity(subvolume)?.id);
        }
        let cannot = || any.shown("");
        for tree in trees::trees(any.as_fd()).or_cannot("list the subvolumes of", cannot())? {
            if own.contains(&tree) {
                continue;
            }
            let leave = |part: FilePart| {
                if let Some(extent) = self.extents.get_mut(&part.extent) {
                    extent.is_movable = false;
                }
            };
            trees::file_parts(any.as_fd(), tree, leave).or_cannot("read the extents of", cannot())?;
        }
        Ok(())
    }

    /// Rewrites extents until at most `tolerated` bytes are unused. More stay if the disk is full, if a signal comes, or if files change meanwhile.
    /// `scratch` is a directory of the filesystem; the copies are made in files without a name there.
    pub fn rewrite(&self, scratch: &Dir, tolerated: u64) -> Result<()> {
        for (part, places) in uses(self.subvolumes, &self.worst(tolerated))? {
            if signal::check().is_err() {
                break;
            }
            match move_part(self.subvolumes, scratch, part.1, &places) {
                Err(error) if error.is_no_space() => break,
                outcome => outcome?,
            }
        }
        btrfs::commit(scratch)
    }
}

/// One place where files use a part of an extent.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The index of the subvolume.
    subvolume: usize,
    inode: u64,
    offset: u64,
}

/// A part of an extent: the extent's address with the offset, and the length.
type Part = ((u64, u64), u64);

/// All uses of the extents.
fn uses(subvolumes: &[Dir], extents: &HashSet<u64>) -> Result<BTreeMap<Part, Vec<Place>>> {
    let mut uses: BTreeMap<Part, Vec<Place>> = BTreeMap::new();
    for (index, subvolume) in subvolumes.iter().enumerate() {
        parts(subvolume, |part| {
            if extents.contains(&part.extent) {
                let place = Place { subvolume: index, inode: part.inode, offset: part.offset };
                uses.entry(((part.extent, part.within), part.length)).or_default().push(place);
            }
        })?;
    }
    Ok(uses)
}

fn parts(subvolume: &Dir, found: impl FnMut(FilePart)) -> Result<()> {
    let tree = btrfs::identity(subvolume)?.id;
    trees::file_parts(subvolume.as_fd(), tree, found).or_cannot("read the extents of", subvolume.shown(""))
}

/// Copies a part, and lets all its places share the copy. A part can have thousands of places, so each file is open only while it is worked on.
fn move_part(subvolumes: &[Dir], scratch: &Dir, length: u64, places: &[Place]) -> Result<()> {
    // Files of several lengths can end in the same block. Each length has a copy of its own.
    let mut by_length: BTreeMap<u64, Vec<&Place>> = BTreeMap::new();
    for place in places {
        if let Some((file, shown)) = open(subvolumes, place)? {
            let size = file.metadata().or_cannot("examine", &shown)?.len();
            let length = length.min(size.saturating_sub(place.offset));
            by_length.entry(length).or_default().push(place);
        }
    }
    for (length, places) in by_length {
        for begin in (0..length).step_by(AT_ONCE) {
            let count = (length - begin).min(AT_ONCE as u64);
            let Some(copy) = copy(subvolumes, scratch, places[0], begin, count)? else { continue };
            for place in &places {
                if let Some((file, shown)) = open(subvolumes, place)? {
                    share(&copy, count, &file, place.offset + begin, &shown)?;
                }
            }
        }
    }
    Ok(())
}

/// A file without a name that has the content. `None` if the file has become shorter or is gone.
fn copy(subvolumes: &[Dir], scratch: &Dir, place: &Place, begin: u64, count: u64) -> Result<Option<File>> {
    let Some((source, shown)) = open(subvolumes, place)? else { return Ok(None) };
    let mut content = vec![0; usize::try_from(count).unwrap_or(AT_ONCE)];
    match source.read_exact_at(&mut content, place.offset + begin) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome.or_cannot("read", &shown)?,
    }
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR;
    let copy = File::from(scratch.open_with(".", flags, 0o600, Links::Refuse)?);
    change("copy a part of", &shown, || copy.write_all_at(&content, 0))?;
    Ok(Some(copy))
}

/// Opens the file. `None` if it is gone, or if its path is longer than the kernel can tell.
fn open(subvolumes: &[Dir], place: &Place) -> Result<Option<(File, PathBuf)>> {
    let subvolume = &subvolumes[place.subvolume];
    let tree = btrfs::identity(subvolume)?.id;
    let path = match ioctl::inode_path(subvolume.as_fd(), tree, place.inode) {
        Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => None,
        path => path.or_cannot("find a file in", subvolume.shown(""))?,
    };
    let Some(path) = path else { return Ok(None) };
    // It ends with a slash, which the path does not need.
    let path = PathBuf::from(OsString::from_vec(path)).components().collect::<PathBuf>();
    let file = if_exists(subvolume.file(&path))?;
    Ok(file.map(|file| (file, subvolume.shown(&path))))
}

/// Lets the file share the copy. A file that has other content by now, or that the kernel swaps to, stays as it is.
fn share(copy: &File, length: u64, file: &File, offset: u64, shown: &Path) -> Result<()> {
    let mut done = 0;
    while done < length {
        let shared = change("share blocks with", shown, || {
            dedupe_range(copy.as_fd(), done, length - done, file.as_fd(), offset + done)
        });
        match shared {
            Ok(0) => return Ok(()),
            Ok(bytes) => done += bytes,
            Err(error) if is_left(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the kernel refuses this file for good: it is a swap file, has no checksums, or is immutable.
fn is_left(error: &Error) -> bool {
    matches!(error.os_error(), Some(libc::ETXTBSY | libc::EINVAL | libc::EPERM))
}
