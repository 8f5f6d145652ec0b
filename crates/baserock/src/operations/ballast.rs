//! Four megabytes kept back on every volume, to release when it is full and must still be changed.

use std::fs::File;

use nix::fcntl::{FallocateFlags, fallocate};

use crate::btrfs;
use crate::error::Result;
use crate::layout::{BALLAST, PRIVATE};
use crate::step::change;
use crate::volume::Volume;

/// Its size: the menu, its directory and some metadata fit many times.
const SIZE: i64 = 4 << 20;

/// Puts the ballast in place, where there is room for it. A volume without room stays without.
pub fn ensure(volume: &Volume) -> Result<()> {
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    if private.has(BALLAST)? {
        return Ok(());
    }
    let filled = private.create(BALLAST, 0o600).and_then(|file| allocate(volume, &file));
    match filled {
        Err(error) if error.is_no_space() => {
            tracing::warn!("no room for the ballast: {error}");
            release(volume)
        }
        outcome => outcome,
    }
}

/// Gives its space back. Not being there is fine.
pub fn release(volume: &Volume) -> Result<()> {
    let Some(private) = volume.top().dir_if_exists(PRIVATE)? else { return Ok(()) };
    if !private.has(BALLAST)? {
        return Ok(());
    }
    // Cut first: even where there is no room to remove a name, there is to drop the extent.
    private.open_with(
        BALLAST,
        nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_TRUNC,
        0,
        crate::resolve::Links::Refuse,
    )?;
    private.remove_file(BALLAST)?;
    btrfs::commit(volume.top())
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

fn allocate(volume: &Volume, file: &File) -> Result<()> {
    change("reserve space in", volume.top().shown(PRIVATE).join(BALLAST), || {
        fallocate(file, FallocateFlags::empty(), 0, SIZE)
    })
}
