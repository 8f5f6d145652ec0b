//! Reads an `etc` from the disk.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use nix::sys::stat::FileStat;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;
use system::inode::{Inode, times};
use system::signal;
use system::walk::{Place, Visit, Walk};

use super::stored;
use crate::etc::EtcPath;
use crate::etc::tree::{Kind, Node, Tree};

/// Reads everything below `root`. Large files stay on disk and are read again when needed, so nobody may write to them. A mount point counts
/// as empty, because the mounted filesystem is not part of the tree, and so does a [snapshot](is_snapshot). Other subvolumes are folders.
pub fn read(root: Dir) -> Result<Tree> {
    let root = Arc::new(root);
    let mut tree = Tree::default();
    // Files with several names, by device and inode. Every subvolume is a device.
    let mut linked = BTreeMap::new();
    let mut walk = Walk::new(root.duplicate()?)?;
    while let Some(visit) = walk.next()? {
        signal::check()?;
        let mut is_empty = false;
        let found = match visit {
            Visit::Enter(place, dir) => {
                let inode = Inode::open(dir.as_fd(), dir.shown(""));
                let stat = inode.stat()?;
                is_empty = !place.is_top() && is_snapshot(dir)?;
                Some((place, node(&inode, Kind::Dir, &stat)?))
            }
            Visit::Name(place) => name(&root, place)?.map(|(node, stat)| {
                if stat.st_nlink > 1 {
                    let next = linked.len() as u64;
                    let file = *linked.entry((stat.st_dev, stat.st_ino)).or_insert(next);
                    tree.link(path(place), file);
                }
                (place, node)
            }),
            Visit::Mount(place) => mount_point(place)?.map(|node| (place, node)),
            Visit::Leave(_) => None,
        };
        if let Some((place, node)) = found {
            tree.insert(path(place), node);
        }
        if is_empty {
            walk.prune()?;
        }
    }
    Ok(tree)
}

/// Whether the directory is a read-only snapshot: somebody has kept an earlier state there (snapper, for example). It is no configuration.
pub fn is_snapshot(dir: &Dir) -> Result<bool> {
    Ok(btrfs::is_subvolume(dir)?
        && btrfs::access(dir)? == Access::ReadOnly
        && btrfs::origin(dir)?.0 != [0; 16])
}

fn path(place: Place<'_>) -> EtcPath {
    EtcPath::from(place.path.as_os_str().as_bytes())
}

/// Reads anything but a directory. A name that has disappeared meanwhile gives `None`.
fn name(root: &Arc<Dir>, place: Place<'_>) -> Result<Option<(Node, FileStat)>> {
    let Some(stat) = place.dir.stat_of(place.name)? else { return Ok(None) };
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => {
            let file = place.dir.file(place.name)?;
            let content = stored::read(root, place.path, &file, stat.st_size.cast_unsigned())?;
            let inode = Inode::open(file.as_fd(), place.dir.shown(place.name));
            return Ok(Some((node(&inode, Kind::File(content), &stat)?, stat)));
        }
        libc::S_IFLNK => Kind::Symlink(place.dir.read_link(place.name)?.as_os_str().as_bytes().to_vec()),
        format => Kind::Special { format, device: stat.st_rdev },
    };
    Ok(Some((node(&Inode::named(place.dir, place.name), kind, &stat)?, stat)))
}

fn mount_point(place: Place<'_>) -> Result<Option<Node>> {
    let Some(stat) = place.dir.stat_of(place.name)? else { return Ok(None) };
    let is_dir = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let kind = if is_dir { Kind::Dir } else { Kind::File(Vec::new().into()) };
    node(&Inode::named(place.dir, place.name), kind, &stat).map(Some)
}

fn node(inode: &Inode<'_>, kind: Kind, stat: &FileStat) -> Result<Node> {
    Ok(Node { kind, meta: inode.metadata(stat)?, modified: times(stat).modified })
}
