//! Tells the boot loader what to boot once.

use std::fs::File;
use std::path::Path;

use nix::fcntl::OFlag;
use system::error::{Error, OrCannot, Result};
use system::flags;
use system::overwrite::overwrite;
use system::resolve::Links;

use super::boot_files;
use crate::boot::adv::Adv;
use crate::volume::{Extlinux, LOADER, OneShot, Place, Volume};

/// Sets what is booted once, or takes it away. It is on the disk when this returns. Without a boot loader that knows this, nothing is done.
pub fn set(volume: &Volume, one_shot: &OneShot, once: Option<&str>) -> Result<()> {
    let OneShot::Extlinux(Extlinux { adv, place }) = one_shot else { return Ok(()) };
    let adv = adv.clone().with_once(once).ok_or_else(|| {
        Error::refused(format!(
            "extlinux on {} has no room for what is to be booted once, {:?}; give the version a shorter label",
            volume.name().display(),
            once.unwrap_or_default()
        ))
    })?;
    match place {
        Place::Device(device, offset) => {
            let file = File::options().read(true).write(true).open(device).or_cannot("open", device)?;
            overwrite(&file, device, *offset, &adv.to_bytes())
        }
        Place::File(offset) => in_file(volume, *offset, &adv),
    }
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
