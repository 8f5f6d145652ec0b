//! What the boot loaders are going to boot once, before they boot the default again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use system::btrfs;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, OrCannot, Result, if_exists};

use super::{Kind, OpenEsp, Volume};
use crate::boot::adv::{Adv, SIZE};
use crate::boot::environment::Environment;
use crate::boot::{grub, uboot};

/// The place of extlinux's area on a btrfs, in bytes: at the end of what btrfs leaves to boot loaders.
pub const ON_BTRFS: u64 = (64 << 10) - SIZE as u64;
/// The file of extlinux on other filesystems. The area is at its end.
pub const LOADER: &str = "ldlinux.sys";

/// The folders on an EFI system partition in which GRUB may be: where firmware looks by itself, and that of the tools.
pub const GRUB_PLACES: [&str; 2] = ["EFI/BOOT", "EFI/baserock"];

/// How the boot loaders learn what they are to boot once. A disk may have one for BIOS and one for UEFI.
#[derive(Debug)]
pub struct OneShot {
    ways: Vec<Way>,
    why_not: String,
}

/// How one boot loader learns it.
#[derive(Debug)]
pub enum Way {
    /// extlinux, by its area on the volume's device or in its own file.
    Extlinux(Extlinux),
    /// GRUB or U-Boot, by an environment block on the EFI system partition.
    Block(Block),
}

/// The environment block of a boot loader that reads the trial's own menu.
#[derive(Debug)]
pub struct Block {
    /// What it has.
    pub environment: Environment,
    /// Where it is on the EFI system partition.
    pub path: PathBuf,
    /// The EFI system partition.
    pub esp: OpenEsp,
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
    /// The ways; none if no boot loader can boot something just once.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Why there is no way, if there is none.
    pub fn why_not(&self) -> Option<&str> {
        self.ways.is_empty().then_some(&self.why_not)
    }

    /// What is going to be booted once. One boot loader that has forgotten it has booted it.
    pub fn pending(&self) -> Option<String> {
        let once: Option<Vec<_>> = self.ways.iter().map(Way::once).collect();
        once?.into_iter().next()
    }

    /// What at least one boot loader is told to boot once.
    pub fn told(&self) -> Option<String> {
        self.ways.iter().find_map(Way::once)
    }
}

impl Way {
    /// What is going to be booted once: a label, and for extlinux also arguments.
    fn once(&self) -> Option<String> {
        match self {
            Way::Extlinux(area) => area.adv.once(),
            Way::Block(block) => block.environment.once().map(str::to_owned),
        }
    }
}

/// Finds out how the boot loaders of the volume boot something once.
pub(super) fn find(volume: &Volume) -> Result<OneShot> {
    let boot = volume.boot();
    let found = match boot.kind() {
        Kind::Volume => on_btrfs(volume)?,
        Kind::Fat if boot.mirror().is_some() => None,
        Kind::Separate | Kind::Fat => in_file(boot.dir())?,
    };
    let mut why_not = match boot.mirror() {
        Some(_) => "its /boot is a FAT that is not mounted",
        None => "there is no extlinux on it",
    }
    .to_owned();
    let mut ways = Vec::from_iter(found);
    if boot.kind() != Kind::Fat {
        match esp(volume)? {
            Ok(block) => ways.push(Way::Block(block)),
            Err(Some(why)) => why_not = format!("{why_not}, and {why}"),
            Err(None) => {}
        }
    }
    Ok(OneShot { ways, why_not })
}

/// The block of the loader on the EFI system partition, or why there is none that boots this volume. A partition that cannot be read has
/// none, since it must not stop other operations.
fn esp(volume: &Volume) -> Result<Result<Block, Option<String>>> {
    let esp = match volume.esp() {
        Ok(None) => return Ok(Err(None)),
        Ok(Some(esp)) => esp,
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => return Ok(Err(Some(format!("its EFI system partition cannot be read ({error})")))),
    };
    let own = volume.uuid().map(|uuid| uuid.to_string());
    let mut why = "its EFI system partition has no loader of ours".to_owned();
    for (found, place) in scripts(&esp, volume.boot().kind())? {
        if own.as_ref() != Some(&found) {
            why = format!("the loader on its EFI system partition boots another volume, {found}");
            continue;
        }
        let path = place.join(grub::ENVIRONMENT);
        let block = esp.dir().read_if_exists(&path, MOST_TEXT)?.unwrap_or_default();
        return Ok(Ok(Block { environment: Environment::parse(&block), path, esp }));
    }
    Ok(Err(Some(why)))
}

/// The scripts of loaders: the volume that each one boots, and the folder of its block. GRUB reads the volume, and U-Boot another filesystem.
fn scripts(esp: &OpenEsp, kind: Kind) -> Result<Vec<(String, &'static Path)>> {
    let [usual, own] = GRUB_PLACES.map(Path::new);
    if kind == Kind::Separate {
        let script = esp.dir().read_if_exists(uboot::SCRIPT, MOST_TEXT)?;
        let found = script.and_then(|script| uboot::volume_of(&script));
        return Ok(found.map(|found| (found, own)).into_iter().collect());
    }
    let mut scripts = Vec::new();
    for place in [usual, own] {
        let script = esp.dir().read_if_exists(place.join(grub::SCRIPT), MOST_TEXT)?.unwrap_or_default();
        let found = grub::volume_of(&String::from_utf8_lossy(&script)).map(str::to_owned);
        scripts.extend(found.map(|found| (found, place)));
    }
    Ok(scripts)
}

fn on_btrfs(volume: &Volume) -> Result<Option<Way>> {
    let Some(device) = volume.device() else { return Ok(None) };
    if !btrfs::is_btrfs(volume.top())? {
        return Ok(None);
    }
    let file = File::open(device).or_cannot("open", device)?;
    let place = Place::Device(device.to_owned(), ON_BTRFS);
    Ok(read(&file, device, ON_BTRFS)?.map(|adv| Way::Extlinux(Extlinux { adv, place })))
}

fn in_file(boot: &Dir) -> Result<Option<Way>> {
    let Some(file) = if_exists(boot.file(LOADER))? else { return Ok(None) };
    let shown = boot.shown(LOADER);
    let size = file.metadata().or_cannot("examine", &shown)?.len();
    let Some(offset) = size.checked_sub(SIZE as u64) else { return Ok(None) };
    let adv = read(&file, &shown, offset)?;
    Ok(adv.map(|adv| Way::Extlinux(Extlinux { adv, place: Place::File(offset) })))
}

fn read(file: &File, shown: &Path, offset: u64) -> Result<Option<Adv>> {
    let mut area = [0; SIZE];
    file.read_exact_at(&mut area, offset).or_cannot("read", shown)?;
    Ok(Adv::parse(&area))
}
