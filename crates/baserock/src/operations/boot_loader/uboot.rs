//! Installs the script for U-Boot on a board without UEFI. U-Boot itself is the board's, as a raw file.

use std::io::Write;
use std::path::Path;

use system::error::{Error, OrCannot, Result};
use system::process::{self, Program};

use super::Scratch;
use crate::boot::environment::Environment;
use crate::boot::{grub, uboot};
use crate::refusal::Refusal;
use crate::volume::{GRUB_PLACES, Kind, Volume};

/// The program that makes images of scripts, in the Debian package.
const PROGRAM: &str = "mkimage";
const PACKAGE: &str = "u-boot-tools";

/// Fails if the machine lacks the program that [`install`] needs.
pub fn check() -> Result<()> {
    match process::find(PROGRAM) {
        Some(_) => Ok(()),
        None => Err(Refusal::NoBootLoader { what: format!("{PROGRAM} is"), package: PACKAGE }.into()),
    }
}

/// Installs the script on the EFI system partition, which U-Boot has to look at first. The menu is in the partition `boot` of the same disk.
pub fn install(volume: &Volume, boot: u32) -> Result<()> {
    let (Some(uuid), Kind::Separate) = (volume.uuid(), volume.boot().kind()) else {
        return Err(Error::refused(format!(
            "U-Boot reads menu and kernels of {} from an ext4, and it has none at /boot",
            volume.name().display()
        )));
    };
    let Some(esp) = volume.esp()? else {
        return Err(Refusal::NoEsp { volume: volume.name().to_owned() }.into());
    };
    let block = Path::new(GRUB_PLACES[1]).join(grub::ENVIRONMENT);
    esp.overwrite(&block, &Environment::default().to_bytes())?;
    esp.write(Path::new(uboot::SCRIPT), &image(&uboot::script(&uuid.to_string(), boot))?)
}

/// The file that U-Boot takes for a script.
fn image(script: &str) -> Result<Vec<u8>> {
    let (made, mut text) = (Scratch::new()?, Scratch::new()?);
    text.0.write_all(script.as_bytes()).or_cannot("write", "a file in memory")?;
    let program = Program::new(PROGRAM)
        .package(PACKAGE)
        // The same script makes the same file.
        .env("SOURCE_DATE_EPOCH", "0")
        .args(["-A", "arm64", "-O", "linux", "-T", "script", "-C", "none", "-d"])
        .args([text.path(), made.path()]);
    made.filled_by(program)
}
