//! The ballast: space that is reserved on every volume, and released when the volume is full and must still be changed. There is one for
//! data and one for metadata, because either can run out while the other is plentiful.

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

/// Bytes for data. The menu and its directory fit many times.
const DATA: i64 = 4 << 20;

/// Bytes for metadata. Before each change btrfs reserves the most that the change could need. For renaming a menu over another this is
/// 11 MiB (nodes of 16 KiB, with a free space tree), although the change then needs only one node.
const METADATA: u32 = 12 << 20;

/// Bytes that are left free in a node of metadata that holds a single value.
const OVERHEAD: u32 = 512;

/// Makes the ballast if there is room for it. A volume without room stays without ballast.
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

/// Gives the file attributes. Each takes a whole node of metadata.
fn fill(private: &Dir, file: &File) -> Result<()> {
    let node = btrfs::node_size(private)?;
    let value = vec![0; node.saturating_sub(OVERHEAD) as usize];
    change("reserve metadata in", private.shown(METADATA_BALLAST), || {
        (0..METADATA / node).try_for_each(|number| {
            fsetxattr(file, format!("trusted.baserock.{number}"), &value, XattrFlags::empty())
        })
    })
}

/// Releases the ballast. It may be missing.
pub fn release(volume: &Volume) -> Result<()> {
    let Some(private) = volume.top().dir_if_exists(PRIVATE)? else { return Ok(()) };
    // Metadata comes first, because without it not even data can be released. For removing a name btrfs has a reserve of its own.
    for name in [METADATA_BALLAST, BALLAST] {
        if private.has(name)? {
            release_one(&private, name)?;
            btrfs::commit(volume.top())?;
        }
    }
    Ok(())
}

fn release_one(private: &Dir, name: &str) -> Result<()> {
    // The file is truncated first: its extent can be dropped even if there is no room to remove its name.
    match private.open_with(name, OFlag::O_RDWR | OFlag::O_TRUNC, 0, Links::Refuse) {
        Err(error) if !(error.is_no_space() || error.is_not_found()) => Err(error),
        _ => private.remove_tree(name),
    }
}

/// Calls `step`. If the volume is full, releases the ballast and calls it once more.
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
