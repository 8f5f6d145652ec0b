//! Copies the files that the root filesystem has at a partition's mount point to the partition.

use std::path::Path;

use baserock::layout;
use nix::mount::MsFlags;
use nix::unistd::syncfs;
use system::copy::Copier;
use system::dir::Dir;
use system::error::{Result, if_exists};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::observer::Observer;
use system::remove;
use system::step::change;

use crate::disk::Partitioned;
use crate::layout::Placed;

/// Fills a partition. A partition without a mount point stays empty.
pub fn fill(
    tree: &Dir,
    placed: &Placed,
    device: LoopDevice,
    parts: &Partitioned,
    observer: &dyn Observer,
) -> Result<()> {
    let (Some(place), Some(kind)) = (&placed.partition.mountpoint, &placed.partition.filesystem) else {
        return Ok(());
    };
    let inside = place.strip_prefix("/").unwrap_or(place);
    observer.phase(format!("filling partition {} ({})", placed.partition.number, place.display()));
    let source = if_exists(tree.dir(inside))?;
    if placed.partition.is_fat() {
        let mirror = Mirror::new(device.path().to_owned(), Some(device), &layout::BOOT_NAMES)?;
        copy(source.as_ref(), &Dir::open(mirror.path())?.shown_as(place), place, parts, observer)?;
        return mirror.push();
    }
    let mount = PrivateMount::new(device.path(), kind, MsFlags::empty(), "")?;
    let target = Dir::open(mount.path())?.shown_as(place);
    copy(source.as_ref(), &target, place, parts, observer)?;
    change("sync", place, || syncfs(&target))
}

/// Copies the partition's own files, without those of another partition that is mounted below it.
fn copy(
    source: Option<&Dir>,
    target: &Dir,
    place: &Path,
    parts: &Partitioned,
    observer: &dyn Observer,
) -> Result<()> {
    let Some(source) = source else { return Ok(()) };
    let mut copier = Copier::new(target);
    copier.contents(source, Path::new(""))?;
    copier.left_out().name(observer);
    let others = parts.others().filter_map(|other| other.partition.mountpoint.as_deref());
    for inner in others
        .filter_map(|other| other.strip_prefix(place).ok())
        .filter(|inner| !inner.as_os_str().is_empty())
    {
        if let Some(dir) = target.dir_if_exists(inner)? {
            remove::below(&dir)?;
        }
    }
    Ok(())
}
