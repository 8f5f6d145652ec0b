//! Explains errors of a full filesystem: how full it is, which versions could be removed, and what is large if none can.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::fstatvfs;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::walk::{Visit, Walk};

use super::removable;
use crate::label::ExistingLabel;
use crate::layout::{STATE, SYSTEMS};
use crate::refusal::{Refusal, Room};
use crate::volume::{Kind, Volume};

/// The number of large folders that are named.
const NAMED: usize = 3;

/// Folders with their sizes in MiB.
type Large = Vec<(PathBuf, u64)>;

/// Adds to an error for lack of space how much is free where, and which versions could be removed. `making` is the version that was being
/// made.
pub fn explain<T>(volume: &Volume, making: Option<&ExistingLabel>, outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(cause) if cause.is_no_space() => Err(full(volume, making, cause)?.into()),
        outcome => outcome,
    }
}

fn full(volume: &Volume, making: Option<&ExistingLabel>, cause: Error) -> Result<Refusal> {
    let on_boot = is_on_boot(volume, &cause);
    let room = if on_boot { of_boot(volume)? } else { of_volume(volume)? };
    let removable = removable::labels(volume, making)?;
    let large = if removable.is_empty() { large(volume, on_boot) } else { Vec::new() };
    let volume = volume.name().to_owned();
    Ok(Refusal::Full { cause: Box::new(cause), room, volume, removable, large })
}

/// The versions that can be removed to make room on the volume. If there are none, the largest folders of the shared state are returned, with
/// their sizes in MiB.
pub fn advice(volume: &Volume, making: &ExistingLabel) -> Result<(Vec<ExistingLabel>, Large)> {
    let removable = removable::labels(volume, Some(making))?;
    let large = if removable.is_empty() { large(volume, false) } else { Vec::new() };
    Ok((removable, large))
}

/// Whether the failure is on a boot filesystem of its own.
fn is_on_boot(volume: &Volume, cause: &Error) -> bool {
    let Error::Io { path, .. } = cause else { return false };
    let boot = volume.boot();
    let is_of_mirror = boot.mirror().is_some_and(|mirror| path == mirror.device());
    boot.kind() != Kind::Volume && (is_of_mirror || path.starts_with(boot.dir().shown("")))
}

fn of_boot(volume: &Volume) -> Result<Room> {
    let boot = volume.boot();
    // The mirror of a FAT is in memory. Its size says nothing about the FAT.
    if boot.mirror().is_some() {
        return Ok(Room::Fat);
    }
    let whole = fstatvfs(boot.dir()).or_cannot("examine", boot.dir().shown(""))?;
    let mebibytes = |blocks: u64| (blocks * whole.fragment_size()) >> 20;
    Ok(Room::Boot { free: mebibytes(whole.blocks_available()), total: mebibytes(whole.blocks()) })
}

fn of_volume(volume: &Volume) -> Result<Room> {
    let space = btrfs::space(volume.top())?;
    let (free, total, metadata) = (space.available >> 20, space.total >> 20, space.metadata_free >> 20);
    Ok(Room::Volume { free, total, metadata })
}

/// The largest folders where space is lacking, with their sizes in MiB: on the boot filesystem everything, on the volume the shared state. This
/// is advice in an error, so what cannot be read is left out.
fn large(volume: &Volume, on_boot: bool) -> Large {
    let (dir, names) =
        if on_boot { (volume.boot().dir(), vec![SYSTEMS, ""]) } else { (volume.top(), vec![STATE]) };
    let mut found = Vec::new();
    for name in names {
        let Ok(folder) = (if name.is_empty() { dir.duplicate() } else { dir.dir(name) }) else { continue };
        let entries = folder.entries().unwrap_or_default().into_iter();
        for entry in entries.filter(|entry| entry.name != SYSTEMS) {
            let size = size(&folder, Path::new(&entry.name)).unwrap_or_default() >> 20;
            found.push((folder.shown(&entry.name), size));
        }
    }
    found.retain(|(_, size)| *size > 0);
    found.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    found.truncate(NAMED);
    found
}

/// The bytes of the blocks of a file, or of everything in a directory.
fn size(dir: &Dir, name: &Path) -> Result<u64> {
    let Some(stat) = dir.stat_of(name)? else { return Ok(0) };
    let bytes = |blocks: i64| u64::try_from(blocks).unwrap_or(0) * 512;
    if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Ok(bytes(stat.st_blocks));
    }
    let (mut walk, mut sum) = (Walk::new(dir.dir(name)?)?, 0);
    while let Some(visit) = walk.next()? {
        if let Visit::Name(place) = visit {
            sum += place.dir.stat_of(place.name)?.map_or(0, |stat| bytes(stat.st_blocks));
        }
    }
    Ok(sum)
}
