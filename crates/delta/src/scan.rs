//! Makes the manifest of a tree on a disk.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use nix::sys::stat::{FileStat, SFlag, fstat};
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::inode::{Inode, times};
use system::metadata::{Metadata, Time};
use system::signal;
use system::walk::{Place, Visit, Walk};

use crate::entry::{Entry, Kind};
use crate::hash::{Hash, changed};
use crate::hashing::{BUFFER, Hashed, Job, Pool};
use crate::manifest::Manifest;

/// A source of hashes that are known without reading the files.
pub trait Hashes {
    /// The hash of the file with this metadata, if it is known.
    fn known(&self, stat: &FileStat) -> Option<Hash>;
    /// Tells the hash of the file with this metadata.
    fn learned(&mut self, stat: &FileStat, hash: Hash);

    /// Whether all hashes are known at the end of the walk, because somebody else reads the files meanwhile.
    fn come_later(&self) -> bool {
        false
    }

    /// Tells a name that cannot be read. An error ends the scan; otherwise the manifest leaves the name out.
    fn unreadable(&mut self, _path: &Path, error: Error) -> Result<()> {
        Err(error)
    }
}

/// No hash is known: every file is read.
pub struct ReadAll;

impl Hashes for ReadAll {
    fn known(&self, _: &FileStat) -> Option<Hash> {
        None
    }

    fn learned(&mut self, _: &FileStat, _: Hash) {}
}

/// Reads the tree. Other mounts are not entered: a mount point in the tree is an empty directory. `report` is called with the bytes of
/// content seen so far; an error of it ends the scan.
pub fn scan(tree: &Dir, hashes: &mut dyn Hashes, report: &dyn Fn(u64) -> Result<()>) -> Result<Manifest> {
    scan_with(tree, hashes, report, &mut |_| Ok(()))
}

/// The same, for a tree that is also read for another purpose: each step of the walk goes to `also` too. Its error ends the scan.
pub fn scan_with(
    tree: &Dir,
    hashes: &mut dyn Hashes,
    report: &dyn Fn(u64) -> Result<()>,
    also: &mut dyn FnMut(Visit<'_>) -> Result<()>,
) -> Result<Manifest> {
    thread::scope(|scope| {
        let mut scanner = Scanner {
            hashes,
            report,
            also,
            pool: Pool::start(scope),
            later: Vec::new(),
            entries: Vec::new(),
            first_names: HashMap::new(),
            bytes: 0,
            buffer: vec![0; BUFFER],
        };
        scanner.all(Walk::new(tree.duplicate()?)?)?;
        let Scanner { hashes, pool, later, mut entries, bytes, .. } = scanner;
        for (entry, stat) in later {
            let entry = &mut entries[entry];
            let hash = hashes.known(&stat).ok_or_else(|| changed(&tree.shown(entry.path())))?;
            entry.kind = Kind::File { size: stat.st_size.cast_unsigned(), hash };
        }
        let hashed = pool.finish(&|| report(bytes))?;
        put_in(hashed, &mut entries, hashes)?;
        Manifest::new(entries).map_err(|fault| Error::malformed(tree.shown(""), fault))
    })
}

/// Puts the hashes that were made meanwhile into the entries, and removes the entries of files that could not be read.
fn put_in(hashed: Vec<Hashed>, entries: &mut Vec<Entry>, hashes: &mut dyn Hashes) -> Result<()> {
    let mut unreadable = HashSet::new();
    for Hashed { entry, stat, hash } in hashed {
        let entry = &mut entries[entry];
        match hash {
            Ok(hash) => {
                hashes.learned(&stat, hash);
                entry.kind = Kind::File { size: stat.st_size.cast_unsigned(), hash };
            }
            Err(error) => {
                hashes.unreadable(entry.path(), error)?;
                unreadable.insert(entry.path.clone());
            }
        }
    }
    entries.retain(|entry| !unreadable.contains(&entry.path));
    Ok(())
}

struct Scanner<'a, 'scope> {
    hashes: &'a mut dyn Hashes,
    report: &'a dyn Fn(u64) -> Result<()>,
    also: &'a mut dyn FnMut(Visit<'_>) -> Result<()>,
    pool: Pool<'scope>,
    /// The entries whose hashes come later, with the metadata of their files.
    later: Vec<(usize, FileStat)>,
    entries: Vec<Entry>,
    first_names: HashMap<(u64, u64), Box<[u8]>>,
    bytes: u64,
    buffer: Vec<u8>,
}

/// The time of every directory that stands for a subvolume in a snapshot ([`btrfs::is_stub`]).
pub const STUB_TIME: Time = Time { seconds: 0, nanoseconds: 0 };

/// Stands for a hash that is still being made.
const LATER: Hash = Hash([0; 32]);

impl Scanner<'_, '_> {
    fn all(&mut self, mut walk: Walk) -> Result<()> {
        loop {
            let outcome = match walk.next() {
                Ok(None) => return Ok(()),
                Ok(Some(visit)) => {
                    let outcome = self.visit(visit);
                    (self.also)(visit)?;
                    outcome
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                if walk.path().as_os_str().is_empty() {
                    return Err(error);
                }
                self.hashes.unreadable(walk.path(), error)?;
                walk.prune()?;
            }
            (self.report)(self.bytes)?;
        }
    }

    fn visit(&mut self, visit: Visit<'_>) -> Result<()> {
        match visit {
            Visit::Enter(place, dir) => {
                signal::check()?;
                let inode = Inode::open(dir.as_fd(), dir.shown(""));
                let mut stat = inode.stat()?;
                if btrfs::is_stub(dir)? {
                    // It has no times of its own, and every scan has to find the same.
                    (stat.st_mtime, stat.st_mtime_nsec) = (STUB_TIME.seconds, 0);
                }
                let mut metadata = inode.metadata(&stat)?;
                if place.is_top() {
                    // A tree whose top has such a flag could not be renamed.
                    metadata.flags = metadata.flags.without_fixed();
                }
                self.push(place, Kind::Directory, metadata, &stat);
                Ok(())
            }
            Visit::Name(place) => self.name(place),
            Visit::Mount(place) => self.mount_point(place),
            Visit::Leave(_) => Ok(()),
        }
    }

    fn push(&mut self, place: Place<'_>, kind: Kind, metadata: Metadata, stat: &FileStat) {
        let modified = times(stat).modified;
        self.entries.push(Entry { path: bytes(place.path), kind, metadata, modified });
    }

    /// Handles a mount point. A directory counts as empty. A file is left out, because the file below the mount cannot be seen.
    fn mount_point(&mut self, place: Place<'_>) -> Result<()> {
        let inode = Inode::named(place.dir, place.name);
        let stat = inode.stat()?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
            self.push(place, Kind::Directory, inode.metadata(&stat)?, &stat);
        }
        Ok(())
    }

    /// Reads the entry of anything but a directory.
    fn name(&mut self, place: Place<'_>) -> Result<()> {
        let Place { dir, name, path, .. } = place;
        let stat = dir.stat_of(name)?.ok_or_else(|| changed(&dir.shown(name)))?;
        let named = Inode::named(dir, name);
        if let Some(first) = self.first_names.get(&(stat.st_dev, stat.st_ino)) {
            let kind = Kind::HardLink(first.clone());
            self.push(place, kind, named.metadata(&stat)?, &stat);
            return Ok(());
        }
        // The entry is pushed last, because a hash that is still being made belongs to the entry that is pushed next.
        let (kind, metadata) = match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFREG => self.file(place)?,
            SFlag::S_IFLNK => (Kind::Symlink(bytes(&dir.read_link(name)?)), named.metadata(&stat)?),
            SFlag::S_IFCHR => (Kind::CharacterDevice(stat.st_rdev), named.metadata(&stat)?),
            SFlag::S_IFBLK => (Kind::BlockDevice(stat.st_rdev), named.metadata(&stat)?),
            SFlag::S_IFIFO => (Kind::Fifo, named.metadata(&stat)?),
            SFlag::S_IFSOCK => (Kind::Socket, named.metadata(&stat)?),
            _ => return Err(Error::malformed(dir.shown(name), "a file of an unknown type")),
        };
        if stat.st_nlink > 1 {
            self.first_names.insert((stat.st_dev, stat.st_ino), bytes(path));
        }
        self.push(place, kind, metadata, &stat);
        Ok(())
    }

    fn file(&mut self, place: Place<'_>) -> Result<(Kind, Metadata)> {
        let shown = place.dir.shown(place.name);
        let file = place.file()?;
        let stat = fstat(&file).or_cannot("examine", &shown)?;
        let metadata = Inode::open(file.as_fd(), shown.clone()).metadata(&stat)?;
        let size = stat.st_size.cast_unsigned();
        self.bytes += size;
        let hash = match self.hashes.known(&stat) {
            Some(hash) => hash,
            None if self.hashes.come_later() => {
                self.later.push((self.entries.len(), stat));
                LATER
            }
            // A file with more names is read at once: whether it can be read has to be known before its next name.
            None if stat.st_nlink == 1 => {
                self.pool.hash(Job { entry: self.entries.len(), file, stat, shown })?;
                LATER
            }
            None => {
                let hash = Hash::of_file(&file, size, &shown, &mut self.buffer, &signal::check)?;
                self.hashes.learned(&stat, hash);
                hash
            }
        };
        Ok((Kind::File { size, hash }, metadata))
    }
}

fn bytes(path: &Path) -> Box<[u8]> {
    path.as_os_str().as_bytes().into()
}
