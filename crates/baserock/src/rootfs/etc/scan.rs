//! Reads an `etc` from the disk.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use nix::sys::stat::FileStat;
use system::dir::Dir;
use system::error::Result;
use system::inode::{Inode, times};
use system::signal;
use system::walk::{Place, Visit, Walk};

use super::stored;
use crate::etc::EtcPath;
use crate::etc::tree::{Kind, Node, Tree};

/// Reads everything below `root`. Large files stay on disk and are read again when needed, so nobody may write to them. A mount point counts
/// as empty, because the mounted filesystem is not part of the tree.
pub fn read(root: Dir) -> Result<Tree> {
    let root = Arc::new(root);
    let mut tree = Tree::default();
    let mut walk = Walk::new(root.duplicate()?)?;
    while let Some(visit) = walk.next()? {
        signal::check()?;
        let found = match visit {
            Visit::Enter(place, dir) => {
                let inode = Inode::open(dir.as_fd(), dir.shown(""));
                let stat = inode.stat()?;
                Some((place, node(&inode, Kind::Dir, &stat)?))
            }
            Visit::Name(place) => name(&root, place)?.map(|node| (place, node)),
            Visit::Mount(place) => mount_point(place)?.map(|node| (place, node)),
            Visit::Leave(_) => None,
        };
        if let Some((place, node)) = found {
            tree.insert(EtcPath::from(place.path.as_os_str().as_bytes()), node);
        }
    }
    Ok(tree)
}

/// Reads anything but a directory. A name that has disappeared meanwhile gives `None`.
fn name(root: &Arc<Dir>, place: Place<'_>) -> Result<Option<Node>> {
    let Some(stat) = place.dir.stat_of(place.name)? else { return Ok(None) };
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => {
            let file = place.dir.file(place.name)?;
            let content = stored::read(root, place.path, &file, stat.st_size.cast_unsigned())?;
            let inode = Inode::open(file.as_fd(), place.dir.shown(place.name));
            return node(&inode, Kind::File(content), &stat).map(Some);
        }
        libc::S_IFLNK => Kind::Symlink(place.dir.read_link(place.name)?.as_os_str().as_bytes().to_vec()),
        format => Kind::Special { format, device: stat.st_rdev },
    };
    node(&Inode::named(place.dir, place.name), kind, &stat).map(Some)
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
