//! Extents that files use only in part. btrfs frees an extent as a whole, so that one block of it keeps all others from being written to.
//!
//! Such extents remain when a file that shared some of its blocks with another is deleted. [`rewrite`] copies the parts that are used, and lets
//! all their users share the copy. The kernel compares the contents before it does so. No content, time or flag of a file changes, so that files may be in
//! use and subvolumes read-only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::fcntl::OFlag;

use crate::btrfs;
use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::resolve::Links;
use crate::signal;
use crate::step::change;
use crate::sys::btrfs as ioctl;
use crate::sys::fs::dedupe_range;
use crate::sys::trees::{self, FilePart};

/// Bytes that are copied, and shared, at once. Before version 4.20 a kernel shares no more.
const AT_ONCE: usize = 16 << 20;

/// The use of the extents of some subvolumes.
#[derive(Debug, Default)]
pub struct Usage {
    extents: HashMap<u64, Extent>,
}

/// The use of one extent.
#[derive(Debug)]
struct Extent {
    /// Bytes that it takes.
    stored: u64,
    /// Whether it holds contents as they are.
    is_plain: bool,
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
        if self.is_plain { self.stored.saturating_sub(self.used()) } else { 0 }
    }
}

/// Bytes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The extents that files use.
    pub stored: u64,
    /// The part of these that no file uses, and that [`rewrite`] can make free.
    pub unused: u64,
}

/// Reads which extents the files of the subvolumes use, as far as it is committed.
pub fn usage(subvolumes: &[Dir]) -> Result<Usage> {
    let mut usage = Usage::default();
    for subvolume in subvolumes {
        parts(subvolume, |part| {
            let extent = usage.extents.entry(part.extent).or_insert_with(|| Extent {
                stored: part.stored,
                is_plain: true,
                parts: Vec::new(),
            });
            extent.is_plain &= part.is_plain;
            let key = (part.within, part.length);
            if let Err(at) = extent.parts.binary_search(&key) {
                extent.parts.insert(at, key);
            }
        })?;
    }
    Ok(usage)
}

impl Usage {
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
}

/// Rewrites extents of the subvolumes until at most `tolerated` bytes in them are unused. Extents that another subvolume of the filesystem uses
/// stay as they are. `scratch` is a directory of the filesystem; the copies are made in files without a name there.
///
/// Returns what is left. It is more than `tolerated` if the disk is full, if a signal comes, or if files have changed meanwhile.
pub fn rewrite(subvolumes: &[Dir], scratch: &Dir, tolerated: u64) -> Result<Amount> {
    let before = usage(subvolumes)?;
    let mut worst = before.worst(tolerated);
    if worst.is_empty() {
        return Ok(before.amount());
    }
    spare_foreign(subvolumes, scratch, &mut worst)?;
    for (part, places) in uses(subvolumes, &worst)? {
        if signal::check().is_err() {
            break;
        }
        match move_part(subvolumes, scratch, part.1, &places) {
            Err(error) if error.is_no_space() => break,
            outcome => outcome?,
        }
    }
    btrfs::commit(scratch)?;
    Ok(usage(subvolumes)?.amount())
}

/// Leaves out the extents that other subvolumes use.
fn spare_foreign(subvolumes: &[Dir], any: &Dir, extents: &mut HashSet<u64>) -> Result<()> {
    let mut own = HashSet::new();
    for subvolume in subvolumes {
        own.insert(btrfs::identity(subvolume)?.id);
    }
    let cannot = || any.shown("");
    for tree in trees::trees(any.as_fd()).or_cannot("list the subvolumes of", cannot())? {
        if !own.contains(&tree) {
            let mut spare = |part: FilePart| _ = extents.remove(&part.extent);
            trees::file_parts(any.as_fd(), tree, &mut spare).or_cannot("read the extents of", cannot())?;
        }
    }
    Ok(())
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

/// Copies a part, and lets all its places share the copy.
fn move_part(subvolumes: &[Dir], scratch: &Dir, length: u64, places: &[Place]) -> Result<()> {
    let mut files = Vec::new();
    for place in places {
        let subvolume = &subvolumes[place.subvolume];
        if let Some((file, path)) = open(subvolume, place.inode)? {
            let size = file.metadata().or_cannot("examine", &path)?.len();
            files.push((file, path, place.offset, length.min(size.saturating_sub(place.offset))));
        }
    }
    // Files of several lengths can end in the same block. Each length has a copy of its own.
    let lengths: BTreeSet<u64> = files.iter().map(|(.., length)| *length).collect();
    for length in lengths.into_iter().filter(|&length| length > 0) {
        let same = || files.iter().filter(|file| file.3 == length);
        for begin in (0..length).step_by(AT_ONCE) {
            let count = (length - begin).min(AT_ONCE as u64);
            let Some((source, shown, offset, _)) = same().next() else { continue };
            let mut content = vec![0; usize::try_from(count).unwrap_or(0)];
            match source.read_exact_at(&mut content, offset + begin) {
                // The file has become shorter.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => continue,
                outcome => outcome.or_cannot("read", shown)?,
            }
            let flags = OFlag::O_TMPFILE | OFlag::O_RDWR;
            let copy = File::from(scratch.open_with(".", flags, 0o600, Links::Refuse)?);
            change("copy a part of", shown, || copy.write_all_at(&content, 0))?;
            for (file, path, offset, _) in same() {
                share(&copy, count, file, offset + begin, path)?;
            }
        }
    }
    Ok(())
}

/// Opens the file with this inode. `None` if it has no path that the kernel can tell.
fn open(subvolume: &Dir, inode: u64) -> Result<Option<(File, PathBuf)>> {
    let tree = btrfs::identity(subvolume)?.id;
    match ioctl::inode_path(subvolume.as_fd(), tree, inode) {
        Ok(Some(path)) => {
            let path = PathBuf::from(OsString::from_vec(path)).components().collect::<PathBuf>();
            Ok(Some((subvolume.file(&path)?, subvolume.shown(&path))))
        }
        Ok(None) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => Ok(None),
        Err(error) => Err(error).or_cannot("find a file in", subvolume.shown("")),
    }
}

/// Lets the file share the copy. A file that has other content by now, or that the kernel swaps to, stays as it is.
fn share(copy: &File, length: u64, file: &File, offset: u64, shown: &std::path::Path) -> Result<()> {
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
