//! Installing extlinux on a volume, with the modules that its menu needs.

use std::fs::File;
use std::path::Path;

use super::boot_files;
use crate::boot::find::Found;
use crate::error::{Error, Result};
use crate::process::{self, Program};
use crate::volume::Volume;

/// The Debian package of the installer, and the one of the modules; both come from one build.
const PACKAGE: &str = "extlinux";
const MODULES_PACKAGE: &str = "syslinux-common";
/// Where distributions have the modules.
const PLACES: [&str; 3] = ["/usr/lib/syslinux/modules/bios", "/usr/lib/syslinux/bios", "/usr/share/syslinux"];
/// The menu and what it is linked with; `ldlinux.c32` comes with the loader itself.
const MODULES: [&str; 3] = ["menu.c32", "libutil.c32", "libcom32.c32"];

/// Fails, naming the package, where the machine lacks what [`install`] needs.
pub fn check() -> Result<()> {
    modules()?;
    match process::find("extlinux") {
        Some(_) => Ok(()),
        None => Err(Error::refused(format!(
            "extlinux is not installed; install the Debian package {PACKAGE} (apt-get install {PACKAGE}), \
             or set BOOTLOADER_INSTALL=none"
        ))),
    }
}

/// Installs extlinux into the boot place of the volume, which must be mounted where programs see it.
pub fn install(volume: &Volume) -> Result<()> {
    let from = modules()?;
    for name in MODULES {
        let path = from.join(name);
        let file = File::open(&path).map_err(|_| missing_modules())?;
        boot_files::put(volume.boot(), name, &Found { path, file })?;
    }
    Program::new("extlinux").package(PACKAGE).arg("--install").arg(volume.path()).run()?;
    boot_files::commit(volume.boot())
}

fn modules() -> Result<&'static Path> {
    let complete = |place: &&Path| MODULES.iter().all(|name| place.join(name).is_file());
    PLACES.into_iter().map(Path::new).find(complete).ok_or_else(missing_modules)
}

fn missing_modules() -> Error {
    Error::refused(format!(
        "the modules of syslinux ({}) are not installed; install the Debian package {MODULES_PACKAGE} \
         (apt-get install {MODULES_PACKAGE}), or set BOOTLOADER_INSTALL=none",
        MODULES.join(", ")
    ))
}
