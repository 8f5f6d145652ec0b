//! btrfs: subvolumes, snapshots, commits, space. All functions take open directories and use ioctls.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use linux_raw_sys::btrfs as raw;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, fstatfs};

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::flags;
use crate::step::change;
use crate::swap;
use crate::sys::{btrfs as ioctl, trees};

/// The inode number of every subvolume's root directory.
const SUBVOLUME_INODE: u64 = 256;

/// The inode number of every directory that stands for a subvolume in a snapshot.
const STUB_INODE: u64 = 2;

/// Whether a snapshot can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It can be written to like any directory.
    Writable,
    /// Not even root can write to it until the flag is cleared.
    ReadOnly,
}

/// Identifies one state of a subvolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tree's number in the filesystem. It is never used twice.
    pub id: u64,
    /// The subvolume's own UUID.
    pub uuid: [u8; 16],
    /// The transaction that last changed something inside.
    pub ctransid: u64,
}

/// Whether the directory is on btrfs.
pub fn is_btrfs(dir: &Dir) -> Result<bool> {
    Ok(fstatfs(dir).or_cannot("examine", dir.shown(""))?.filesystem_type() == BTRFS_SUPER_MAGIC)
}

/// Whether the directory is the root of a subvolume.
pub fn is_subvolume(dir: &Dir) -> Result<bool> {
    Ok(dir.stat()?.st_ino == SUBVOLUME_INODE && is_btrfs(dir)?)
}

/// Whether this is the empty directory that a snapshot has in the place of a subvolume inside its source. It has no inode on the disk, so its
/// times are those at which the kernel first looked at it.
pub fn is_stub(dir: &Dir) -> Result<bool> {
    Ok(dir.stat()?.st_ino == STUB_INODE && is_btrfs(dir)?)
}

/// Creates an empty subvolume. Durable after the next [`commit`].
pub fn create(parent: &Dir, name: &str) -> Result<()> {
    change("create subvolume", parent.shown(name), || ioctl::create(parent.as_fd(), OsStr::new(name)))
}

/// Snapshots the subvolume `source` as `name` in `parent`. Subvolumes inside it become empty directories in the snapshot. The error is
/// [`Error::SwappedTo`] if the kernel swaps to a file in it.
pub fn snapshot(source: &Dir, parent: &Dir, name: impl AsRef<OsStr>, access: Access) -> Result<()> {
    let name = name.as_ref();
    let outcome = change(format!("snapshot {} as", source.shown("").display()), parent.shown(name), || {
        ioctl::snapshot(source.as_fd(), parent.as_fd(), name, access == Access::ReadOnly)
    });
    match outcome {
        Err(error) if error.os_error() == Some(libc::ETXTBSY) => {
            Err(Error::SwappedTo { tree: source.shown(""), file: swap::file_in(source)? })
        }
        outcome => outcome,
    }
}

/// Deletes the subvolume `name` in `parent` and all subvolumes inside it, the innermost first. Returns the ids of the deleted trees. Their
/// space becomes free later ([`wait_until_freed`]).
pub fn delete(parent: &Dir, name: impl AsRef<Path>) -> Result<Vec<u64>> {
    let name = name.as_ref();
    let subvolume = parent.dir(name)?;
    let id = identity(&subvolume)?.id;
    set_access(&subvolume, Access::Writable)?;
    let mut deleted = Vec::new();
    for inner in nested(&subvolume)? {
        let (dir, last) = (inner.parent().unwrap_or(Path::new("")), inner.file_name().unwrap_or_default());
        let holder = if dir.as_os_str().is_empty() { subvolume.duplicate()? } else { subvolume.dir(dir)? };
        deleted.extend(flags::while_lifted(&holder, &[Path::new("")], || delete(&holder, last))?);
    }
    drop(subvolume);
    // Its own flags can be cleared only now that it can be written to.
    flags::while_lifted(parent, &[name], || {
        change("delete subvolume", parent.shown(name), || ioctl::delete(parent.as_fd(), name.as_os_str()))
    })?;
    deleted.push(id);
    Ok(deleted)
}

/// The subvolumes directly inside this one, as paths relative to it.
pub fn nested(subvolume: &Dir) -> Result<Vec<PathBuf>> {
    let fd = subvolume.as_fd();
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let (children, more) =
            ioctl::children(fd, from).or_cannot("list subvolumes in", subvolume.shown(""))?;
        for &(tree, directory) in &children {
            let (dir, name) = ioctl::child_path(fd, tree, directory)
                .or_cannot("list subvolumes in", subvolume.shown(""))?;
            found.push(Path::new(OsStr::from_bytes(&dir)).join(OsStr::from_bytes(&name)));
        }
        match children.last() {
            Some((last, _)) if more => from = last + 1,
            _ => return Ok(found),
        }
    }
}

/// The number of the tree that is mounted if no subvolume is named; `None` if there is none. The kernel does not delete its subvolume.
pub fn default_subvolume(dir: &Dir) -> Result<Option<u64>> {
    trees::default_subvolume(dir.as_fd()).or_cannot("find the default subvolume of", dir.shown(""))
}

/// Whether the subvolume is writable or read-only.
pub fn access(subvolume: &Dir) -> Result<Access> {
    let flags = ioctl::flags(subvolume.as_fd()).or_cannot("examine subvolume", subvolume.shown(""))?;
    Ok(if flags & u64::from(raw::BTRFS_SUBVOL_RDONLY) == 0 { Access::Writable } else { Access::ReadOnly })
}

/// Makes the subvolume writable or read-only. A process can still write to a file that it has open already, so only a read-only snapshot
/// freezes a tree.
pub fn set_access(subvolume: &Dir, wanted: Access) -> Result<()> {
    if access(subvolume)? == wanted {
        return Ok(());
    }
    let flags = if wanted == Access::ReadOnly { u64::from(raw::BTRFS_SUBVOL_RDONLY) } else { 0 };
    change("change access to", subvolume.shown(""), || ioctl::set_flags(subvolume.as_fd(), flags))
}

/// The identity of the subvolume's present state.
pub fn identity(subvolume: &Dir) -> Result<Identity> {
    let info =
        ioctl::subvolume_info(subvolume.as_fd()).or_cannot("examine subvolume", subvolume.shown(""))?;
    Ok(Identity { id: info.treeid, uuid: info.uuid, ctransid: info.ctransid })
}

/// The UUID of the subvolume that this one is a snapshot of, and the transaction in which this one was made. The UUID is all zeros if
/// this one was made empty.
pub fn origin(subvolume: &Dir) -> Result<([u8; 16], u64)> {
    let info =
        ioctl::subvolume_info(subvolume.as_fd()).or_cannot("examine subvolume", subvolume.shown(""))?;
    Ok((info.parent_uuid, info.otransid))
}

/// When the subvolume was made: the transaction, which is higher for one that was made later, and the time of the clock.
pub fn made(subvolume: &Dir) -> Result<(u64, SystemTime)> {
    let info =
        ioctl::subvolume_info(subvolume.as_fd()).or_cannot("examine subvolume", subvolume.shown(""))?;
    Ok((info.otransid, SystemTime::UNIX_EPOCH + Duration::new(info.otime.sec, info.otime.nsec)))
}

/// Whether anything in the subvolume was changed after the file `name` in `dir`, which is another subvolume of the filesystem. If it cannot be
/// told, the answer is yes.
pub fn is_changed_after(subvolume: &Dir, dir: &Dir, name: &str) -> Result<bool> {
    let cannot = || dir.shown(name);
    let Some(stat) = dir.stat_of(name)? else { return Ok(true) };
    let file = dir.file(name)?;
    let tree = ioctl::subvolume_info(file.as_fd()).or_cannot("examine", cannot())?.treeid;
    let changed = trees::inode_changed(file.as_fd(), tree, stat.st_ino).or_cannot("examine", cannot())?;
    let info =
        ioctl::subvolume_info(subvolume.as_fd()).or_cannot("examine subvolume", subvolume.shown(""))?;
    Ok(changed.is_none_or(|changed| info.ctransid > changed))
}

/// The files and directories of the subvolume that were changed after the transaction, as paths from its top. Only changes that are
/// committed count. Of several hard links to a file it is one.
pub fn changed_since(subvolume: &Dir, since: u64) -> Result<Vec<PathBuf>> {
    let (fd, tree) = (subvolume.as_fd(), identity(subvolume)?.id);
    let cannot = || subvolume.shown("");
    let mut paths = Vec::new();
    for inode in trees::changed_inodes(fd, tree, since).or_cannot("look for changes in", cannot())? {
        match ioctl::inode_path(fd, tree, inode) {
            // It ends with a slash, which the path does not need.
            Ok(path) => {
                let path = path.map(OsString::from_vec).map(PathBuf::from);
                paths.extend(path.map(|path| path.components().collect::<PathBuf>()));
            }
            // A path that is longer than the kernel can tell.
            Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => {}
            Err(error) => return Err(error).or_cannot("look for changes in", cannot()),
        }
    }
    Ok(paths)
}

/// Commits the filesystem: all earlier writes are on the disk afterwards. Boot loaders, which do not replay the log, see them too.
pub fn commit(dir: &Dir) -> Result<()> {
    change("commit", dir.shown(""), || ioctl::sync(dir.as_fd()))
}

/// Waits until the space of deleted subvolumes is free again, but no longer than `patience`. Returns whether it is free.
pub fn wait_until_freed(dir: &Dir, deleted: &[u64], patience: Duration) -> Result<bool> {
    let begun = Instant::now();
    loop {
        // A commit wakes the kernel's cleaner thread. Without one it sleeps for half a minute.
        commit(dir)?;
        let gone = |&id: &u64| trees::tree_exists(dir.as_fd(), id).map(|exists| !exists);
        if all(deleted, gone).or_cannot("look for deleted subvolumes in", dir.shown(""))? {
            return Ok(true);
        }
        if begun.elapsed() > patience {
            return Ok(false);
        }
        sleep(Duration::from_millis(10));
    }
}

fn all(ids: &[u64], test: impl Fn(&u64) -> io::Result<bool>) -> io::Result<bool> {
    for id in ids {
        if !test(id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The use of a filesystem's space, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The whole filesystem.
    pub total: u64,
    /// Bytes that can still be written.
    pub available: u64,
    /// Room for data in the block groups allocated for it.
    pub data_free: u64,
    /// Room for metadata in the block groups allocated for it.
    pub metadata_free: u64,
}

/// The present use of the space.
pub fn space(dir: &Dir) -> Result<Space> {
    let whole = fstatfs(dir).or_cannot("examine", dir.shown(""))?;
    let block = u64::try_from(whole.block_size()).unwrap_or(4096);
    let groups = ioctl::space(dir.as_fd()).or_cannot("examine the space of", dir.shown(""))?;
    let free = |kind: u32| {
        let groups = groups.iter().filter(|group| group.flags & u64::from(kind) != 0);
        groups.map(|group| group.total_bytes.saturating_sub(group.used_bytes)).sum()
    };
    Ok(Space {
        total: whole.blocks() * block,
        available: whole.blocks_available() * block,
        data_free: free(raw::BTRFS_BLOCK_GROUP_DATA),
        metadata_free: free(raw::BTRFS_BLOCK_GROUP_METADATA),
    })
}

/// The size of a node of metadata, bytes.
pub fn node_size(dir: &Dir) -> Result<u32> {
    Ok(ioctl::filesystem_info(dir.as_fd()).or_cannot("examine", dir.shown(""))?.nodesize)
}

/// The spread of a filesystem over devices and chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Devices.
    pub devices: u64,
    /// Chunks that are allocated.
    pub chunks: u64,
    /// Whether a kind of block group is striped or mirrored over devices.
    pub is_raid: bool,
}

/// The present spread of the filesystem.
pub fn spread(dir: &Dir) -> Result<Spread> {
    let info = ioctl::filesystem_info(dir.as_fd()).or_cannot("examine", dir.shown(""))?;
    let groups = ioctl::space(dir.as_fd()).or_cannot("examine the space of", dir.shown(""))?;
    // The profiles single and DUP use one device. Every other profile has a bit here.
    let raid = u64::from(raw::BTRFS_BLOCK_GROUP_PROFILE_MASK & !raw::BTRFS_BLOCK_GROUP_DUP);
    // The reserve is not a block group and has no profile bit, so it needs no special case.
    Ok(Spread {
        devices: info.num_devices,
        chunks: trees::chunks(dir.as_fd()).or_cannot("count the chunks of", dir.shown(""))?,
        is_raid: groups.iter().any(|group| group.flags & raid != 0),
    })
}

/// The devices of a mounted filesystem, as paths that the kernel knows.
pub fn devices(dir: &Dir) -> Result<Vec<PathBuf>> {
    let info = ioctl::filesystem_info(dir.as_fd()).or_cannot("examine", dir.shown(""))?;
    let mut paths = Vec::new();
    for number in 1..=info.max_id {
        let path = ioctl::device_path(dir.as_fd(), number).or_cannot("list the devices of", dir.shown(""))?;
        paths.extend(path.map(|bytes| PathBuf::from(OsString::from_vec(bytes))));
    }
    Ok(paths)
}

/// Fails unless the directory is on btrfs. The error says what is needed.
pub fn require(dir: &Dir) -> Result<()> {
    if is_btrfs(dir)? {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} is not on btrfs; versions need a btrfs filesystem",
        dir.shown("").display()
    )))
}

/// Whether the file has extents whose stored bytes differ from its content, because they are compressed, for example.
pub fn has_encoded_extents(file: BorrowedFd<'_>, shown: &Path) -> Result<bool> {
    let extents = crate::sys::fs::extents(file).or_cannot("map the extents of", shown)?;
    Ok(extents.iter().any(|extent| extent.flags & linux_raw_sys::ioctl::FIEMAP_EXTENT_ENCODED != 0))
}
