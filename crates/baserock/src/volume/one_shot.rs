//! What the boot loader is going to boot once, before it boots the default again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use system::btrfs;
use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};

use super::{Kind, Volume};
use crate::boot::adv::{Adv, SIZE};

/// The place of extlinux's area on a btrfs, in bytes: at the end of what btrfs leaves to boot loaders.
pub const ON_BTRFS: u64 = (64 << 10) - SIZE as u64;
/// The file of extlinux on other filesystems. The area is at its end.
pub const LOADER: &str = "ldlinux.sys";

/// How the boot loader learns what it is to boot once.
#[derive(Debug)]
pub enum OneShot {
    /// extlinux, by its area on the volume's device or in its own file.
    Extlinux(Extlinux),
    /// It cannot, for this reason.
    None(String),
}

/// The area of extlinux.
#[derive(Debug)]
pub struct Extlinux {
    /// What it has.
    pub adv: Adv,
    /// Where it is.
    pub place: Place,
}

/// The place of extlinux's area.
#[derive(Debug)]
pub enum Place {
    /// At this offset (bytes) of this device.
    Device(PathBuf, u64),
    /// At this offset of [`LOADER`] in the boot place.
    File(u64),
}

impl OneShot {
    /// What is going to be booted once.
    pub fn pending(&self) -> Option<String> {
        match self {
            OneShot::Extlinux(area) => area.adv.once(),
            OneShot::None(_) => None,
        }
    }
}

/// Finds out how the boot loader of the volume boots something once.
pub(super) fn find(volume: &Volume) -> Result<OneShot> {
    let boot = volume.boot();
    let found = match boot.kind() {
        Kind::Volume => on_btrfs(volume)?,
        Kind::Fat if boot.mirror().is_some() => {
            return Ok(OneShot::None("its /boot is a FAT that is not mounted".into()));
        }
        Kind::Separate | Kind::Fat => in_file(boot.dir())?,
    };
    Ok(found.unwrap_or_else(|| OneShot::None("there is no extlinux on it".into())))
}

fn on_btrfs(volume: &Volume) -> Result<Option<OneShot>> {
    let Some(device) = volume.device() else { return Ok(None) };
    if !btrfs::is_btrfs(volume.top())? {
        return Ok(None);
    }
    let file = File::open(device).or_cannot("open", device)?;
    let place = Place::Device(device.to_owned(), ON_BTRFS);
    Ok(read(&file, device, ON_BTRFS)?.map(|adv| OneShot::Extlinux(Extlinux { adv, place })))
}

fn in_file(boot: &Dir) -> Result<Option<OneShot>> {
    let Some(file) = if_exists(boot.file(LOADER))? else { return Ok(None) };
    let shown = boot.shown(LOADER);
    let size = file.metadata().or_cannot("examine", &shown)?.len();
    let Some(offset) = size.checked_sub(SIZE as u64) else { return Ok(None) };
    let adv = read(&file, &shown, offset)?;
    Ok(adv.map(|adv| OneShot::Extlinux(Extlinux { adv, place: Place::File(offset) })))
}

fn read(file: &File, shown: &Path, offset: u64) -> Result<Option<Adv>> {
    let mut area = [0; SIZE];
    file.read_exact_at(&mut area, offset).or_cannot("read", shown)?;
    Ok(Adv::parse(&area))
}
