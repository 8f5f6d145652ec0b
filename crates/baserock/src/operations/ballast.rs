//! Space kept back on every volume, to release when it is full and must still be changed: of data, and of metadata, since either can run
//! out while there is plenty of the other.

use std::fs::File;

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use rustix::fs::{XattrFlags, fsetxattr};
use system::btrfs;
use system::dir::Dir;
use system::error::Result;
use system::resolve::Links;
use system::step::change;

use crate::layout::{BALLAST, METADATA_BALLAST, PRIVATE};
use crate::volume::Volume;

/// Of data: the menu and its directory fit many times.
const DATA: i64 = 4 << 20;

/// Of metadata. Before each change btrfs sets aside what that could take at the very most; for the rename of a menu over another these are
/// 11 MiB (nodes of 16 KiB, with a free space tree), though in the end it takes one node.
const METADATA: u32 = 12 << 20;

/// What a node of metadata holds beside a single value.
const OVERHEAD: u32 = 512;

/// Puts the ballast in place, where there is room for it. A volume without room stays without.
pub fn ensure(volume: &Volume) -> Result<()> {
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    ensure_one(&private, BALLAST, |file| {
        change("reserve space in", private.shown(BALLAST), || {
            fallocate(file, FallocateFlags::empty(), 0, DATA)
        })
    })?;
    if !btrfs::is_btrfs(&private)? {
        return Ok(());
    }
    ensure_one(&private, METADATA_BALLAST, |file| fill(&private, file))
}

fn ensure_one(private: &Dir, name: &str, reserve: impl FnOnce(&File) -> Result<()>) -> Result<()> {
    if private.has(name)? {
        return Ok(());
    }
    let filled = private.create(name, 0o600).and_then(|file| reserve(&file));
    match filled {
        Err(error) if error.is_no_space() => {
            tracing::warn!("no room for the ballast: {error}");
            release_one(private, name)?;
            btrfs::commit(private)
        }
        outcome => outcome,
    }
}

/// Gives the file attributes, each of which takes a node of metadata for itself.
fn fill(private: &Dir, file: &File) -> Result<()> {
    let node = btrfs::node_size(private)?;
    let value = vec![0; node.saturating_sub(OVERHEAD) as usize];
    change("reserve metadata in", private.shown(METADATA_BALLAST), || {
        (0..METADATA / node).try_for_each(|number| {
            fsetxattr(file, format!("trusted.baserock.{number}"), &value, XattrFlags::empty())
        })
    })
}

/// Gives its space back. Not being there is fine.
pub fn release(volume: &Volume) -> Result<()> {
    let Some(private) = volume.top().dir_if_exists(PRIVATE)? else { return Ok(()) };
    // Metadata first: without any not even data is released. Removing a name is what btrfs has a reserve of its own for.
    for name in [METADATA_BALLAST, BALLAST] {
        if private.has(name)? {
            release_one(&private, name)?;
            btrfs::commit(volume.top())?;
        }
    }
    Ok(())
}

fn release_one(private: &Dir, name: &str) -> Result<()> {
    // Cut first: even where there is no room to remove a name, there is to drop the extent.
    match private.open_with(name, OFlag::O_RDWR | OFlag::O_TRUNC, 0, Links::Refuse) {
        Err(error) if !(error.is_no_space() || error.is_not_found()) => Err(error),
        _ => private.remove_tree(name),
    }
}

/// Does `step`; where the volume is full, releases the ballast and does it once more.
pub fn with_release<T>(volume: &Volume, step: impl Fn() -> Result<T>) -> Result<T> {
    match step() {
        Err(error) if error.is_no_space() => {
            tracing::warn!("the volume is full; releasing the ballast: {error}");
            release(volume)?;
            step()
        }
        outcome => outcome,
    }
}
