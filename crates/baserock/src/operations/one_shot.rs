//! Tells the boot loaders what to boot once.

use std::fs::File;
use std::path::Path;

use nix::fcntl::OFlag;
use system::error::{Error, OrCannot, Result};
use system::flags;
use system::overwrite::overwrite;
use system::resolve::Links;

use super::boot_files;
use crate::boot::adv::Adv;
use crate::boot::extlinux;
use crate::volume::{Block, Extlinux, LOADER, OneShot, Place, Volume, Way};

/// Sets what is booted once: a label, and arguments. It is on the disk when this returns.
pub fn arm(volume: &Volume, once: &str) -> Result<()> {
    set(volume, &volume.one_shot()?, Some(once))
}

fn set(volume: &Volume, one_shot: &OneShot, once: Option<&str>) -> Result<()> {
    for way in one_shot.ways() {
        match way {
            Way::Extlinux(extlinux) => in_area(volume, extlinux, once)?,
            Way::Block(block) => in_environment(volume, block, once)?,
        }
    }
    Ok(())
}

/// Takes away what a boot loader is still told, and the menu of a trial.
pub fn clear(volume: &Volume) -> Result<()> {
    let one_shot = volume.one_shot()?;
    if one_shot.told().is_some() {
        set(volume, &one_shot, None)?;
    }
    boot_files::remove_trial_menu(volume)
}

fn in_area(volume: &Volume, extlinux: &Extlinux, once: Option<&str>) -> Result<()> {
    let adv = extlinux.adv.clone().with_once(once).ok_or_else(|| no_room("extlinux", volume, once))?;
    match &extlinux.place {
        Place::Device(device, offset) => {
            let file = File::options().read(true).write(true).open(device).or_cannot("open", device)?;
            overwrite(&file, device, *offset, &adv.to_bytes())
        }
        Place::File(offset) => in_file(volume, *offset, &adv),
    }
}

/// The loader gets the menu of the trial first, and then the word to use it.
fn in_environment(volume: &Volume, block: &Block, once: Option<&str>) -> Result<()> {
    let label = once.map(|once| once.split_once(' ').map_or(once, |(label, _)| label));
    let environment =
        block.environment.clone().with_once(label).ok_or_else(|| no_room("the environment", volume, once))?;
    if let Some(once) = once {
        let menu = volume.boot().menu()?.unwrap_or_default();
        let menu = extlinux::once(&menu, once).ok_or_else(|| {
            Error::refused(format!("the boot menu of {} has no entry {once}", volume.name().display()))
        })?;
        boot_files::write_trial_menu(volume, &menu.to_string())?;
    }
    block.esp.overwrite(&block.path, &environment.to_bytes())
}

fn no_room(loader: &str, volume: &Volume, once: Option<&str>) -> Error {
    Error::refused(format!(
        "{loader} on {} has no room for what is to be booted once, {:?}; give the version a shorter label",
        volume.name().display(),
        once.unwrap_or_default()
    ))
}

/// Writes into the loader's own file. The loader knows the blocks of the file, so they must stay where they are.
fn in_file(volume: &Volume, offset: u64, adv: &Adv) -> Result<()> {
    let dir = volume.boot().dir();
    let loader = Path::new(LOADER);
    flags::while_lifted(dir, &[loader], || {
        let file = File::from(dir.open_with(loader, OFlag::O_RDWR, 0, Links::Refuse)?);
        overwrite(&file, &dir.shown(loader), offset, &adv.to_bytes())
    })?;
    boot_files::commit(volume.boot())
}
