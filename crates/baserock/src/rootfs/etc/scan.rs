//! Reading a tree from disk, without following links or crossing into another filesystem that is mounted in it.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::FileStat;
use system::copy::{xattr, xattr_names};
use system::dir::Dir;
use system::error::Result;
use system::{resolve, signal};

use super::stored;
use crate::etc::EtcPath;
use crate::etc::tree::{Kind, Meta, Node, Tree, Xattrs};

/// Reads everything below `root`. Large files stay on disk and are read again when they are needed, so nobody may write to them.
pub fn read(root: Dir) -> Result<Tree> {
    let root = Arc::new(root);
    let mount = resolve::mount_id(root.as_fd(), &root.shown(""))?;
    let mut scan = Scan { root: root.clone(), mount, tree: Tree::default() };
    scan.directory(&root, &EtcPath::ROOT)?;
    Ok(scan.tree)
}

struct Scan {
    root: Arc<Dir>,
    mount: Option<u64>,
    tree: Tree,
}

impl Scan {
    fn directory(&mut self, dir: &Dir, path: &EtcPath) -> Result<()> {
        let stat = dir.stat()?;
        let node = self.node(path, Kind::Dir, &stat, &fd_path(dir))?;
        self.tree.insert(path.clone(), node);
        for entry in dir.entries()? {
            signal::check()?;
            self.entry(dir, Path::new(&entry.name), path.join(entry.name.as_bytes()))?;
        }
        Ok(())
    }

    fn entry(&mut self, dir: &Dir, name: &Path, path: EtcPath) -> Result<()> {
        // A name that is gone again was never there.
        let Some(stat) = dir.stat_of(name)? else { return Ok(()) };
        let node = match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => return self.subdirectory(&dir.dir(name)?, path, &stat),
            libc::S_IFREG => {
                let file = dir.file(name)?;
                let content = stored::read(&self.root, path.as_path(), &file, stat.st_size.cast_unsigned())?;
                self.node(&path, Kind::File(content), &stat, &fd_path(dir).join(name))?
            }
            libc::S_IFLNK => {
                let target = dir.read_link(name)?.as_os_str().as_bytes().to_vec();
                self.node(&path, Kind::Symlink(target), &stat, &fd_path(dir).join(name))?
            }
            format => {
                let kind = Kind::Special { format, device: stat.st_rdev };
                self.node(&path, kind, &stat, &fd_path(dir).join(name))?
            }
        };
        self.tree.insert(path, node);
        Ok(())
    }

    /// A mount point is a directory whose own entries cannot be seen.
    fn subdirectory(&mut self, dir: &Dir, path: EtcPath, stat: &FileStat) -> Result<()> {
        if resolve::mount_id(dir.as_fd(), &dir.shown(""))? == self.mount {
            return self.directory(dir, &path);
        }
        let node = self.node(&path, Kind::Dir, stat, &fd_path(dir))?;
        self.tree.insert(path, node);
        Ok(())
    }

    fn node(&self, path: &EtcPath, kind: Kind, stat: &FileStat, opened: &Path) -> Result<Node> {
        let shown = self.root.shown(path.as_path());
        let xattrs = xattr_names(opened, &shown)?.into_iter().map(|name: CString| {
            let value = xattr(opened, &name, &shown)?;
            Ok((name.into_bytes(), value))
        });
        let xattrs = xattrs.collect::<Result<Xattrs>>()?;
        let meta = Meta { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, xattrs };
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Ok(Node { kind, meta, mtime: (stat.st_mtime, nanoseconds) })
    }
}

/// What an open directory is called for the calls that take only paths; with `.`, since those do not follow links.
pub fn fd_path(opened: &Dir) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", opened.as_fd().as_raw_fd()))
}
