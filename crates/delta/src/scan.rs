//! Makes the manifest of a tree on a disk.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use nix::sys::stat::{FileStat, SFlag, fstat};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::resolve;
use system::signal;

use crate::entry::{Entry, Kind};
use crate::hash::{Hash, changed};
use crate::hashing::{BUFFER, Hashed, Job, Pool};
use crate::manifest::Manifest;
use crate::metadata;

/// A source of hashes that are known without reading the files.
pub trait Hashes {
    /// The hash of the file with this metadata, if it is known.
    fn known(&self, stat: &FileStat) -> Option<Hash>;
    /// Tells the hash of the file with this metadata.
    fn learned(&mut self, stat: &FileStat, hash: Hash);

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
    let mount = resolve::mount_id(tree.as_fd(), &tree.shown(""))?;
    thread::scope(|scope| {
        let mut scanner = Scanner {
            hashes,
            report,
            mount,
            pool: Pool::start(scope),
            entries: Vec::new(),
            first_names: HashMap::new(),
            bytes: 0,
            buffer: vec![0; BUFFER],
        };
        scanner.directory(tree, Path::new(""), tree.stat()?.st_dev)?;
        let Scanner { hashes, pool, mut entries, bytes, .. } = scanner;
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
    mount: Option<u64>,
    pool: Pool<'scope>,
    entries: Vec<Entry>,
    first_names: HashMap<(u64, u64), Box<[u8]>>,
    bytes: u64,
    buffer: Vec<u8>,
}

/// Stands for a hash that is still being made.
const LATER: Hash = Hash([0; 32]);

impl Scanner<'_, '_> {
    fn directory(&mut self, dir: &Dir, path: &Path, device_above: u64) -> Result<()> {
        signal::check()?;
        let stat = dir.stat()?;
        let metadata = metadata::read(dir, Path::new(""), &stat)?;
        self.entries.push(Entry { path: bytes(path), kind: Kind::Directory, metadata });
        if self.is_other_mount(dir, &stat, device_above)? {
            return Ok(());
        }
        for entry in dir.entries()? {
            let inner = path.join(&entry.name);
            if let Err(error) = self.name(dir, Path::new(&entry.name), &inner, stat.st_dev) {
                self.hashes.unreadable(&inner, error)?;
            }
            (self.report)(self.bytes)?;
        }
        Ok(())
    }

    fn name(&mut self, dir: &Dir, name: &Path, path: &Path, device: u64) -> Result<()> {
        let stat = dir.stat_of(name)?.ok_or_else(|| changed(&dir.shown(name)))?;
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return self.directory(&dir.dir(name)?, path, device);
        }
        let metadata = metadata::read(dir, name, &stat)?;
        // This comes last, because a hash that is still being made belongs to the entry that is pushed next.
        let kind = self.kind(dir, name, &stat)?;
        if stat.st_nlink > 1 {
            self.first_names.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| bytes(path));
        }
        self.entries.push(Entry { path: bytes(path), kind, metadata });
        Ok(())
    }

    /// Old kernels do not tell the mount. The device is compared instead, which differs for a nested subvolume too.
    fn is_other_mount(&self, dir: &Dir, stat: &FileStat, device_above: u64) -> Result<bool> {
        Ok(match (self.mount, resolve::mount_id(dir.as_fd(), &dir.shown(""))?) {
            (Some(top), Some(here)) => top != here,
            _ => stat.st_dev != device_above,
        })
    }

    fn kind(&mut self, dir: &Dir, name: &Path, stat: &FileStat) -> Result<Kind> {
        if let Some(first) = self.first_names.get(&(stat.st_dev, stat.st_ino)) {
            return Ok(Kind::HardLink(first.clone()));
        }
        Ok(match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFREG => self.file(dir, name)?,
            SFlag::S_IFLNK => Kind::Symlink(bytes(&dir.read_link(name)?)),
            SFlag::S_IFCHR => Kind::CharacterDevice(stat.st_rdev),
            SFlag::S_IFBLK => Kind::BlockDevice(stat.st_rdev),
            SFlag::S_IFIFO => Kind::Fifo,
            SFlag::S_IFSOCK => Kind::Socket,
            _ => return Err(Error::malformed(dir.shown(name), "a file of an unknown type")),
        })
    }

    fn file(&mut self, dir: &Dir, name: &Path) -> Result<Kind> {
        let shown = dir.shown(name);
        let file = dir.file(name)?;
        let stat = fstat(&file).or_cannot("examine", &shown)?;
        let size = stat.st_size.cast_unsigned();
        self.bytes += size;
        let hash = match self.hashes.known(&stat) {
            Some(hash) => hash,
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
        Ok(Kind::File { size, hash })
    }
}

fn bytes(path: &Path) -> Box<[u8]> {
    path.as_os_str().as_bytes().into()
}
