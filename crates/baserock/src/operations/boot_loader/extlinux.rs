//! Installs extlinux on a volume, with the modules that its menu needs.

use std::fs::File;
use std::path::Path;

use system::error::{Error, Result};
use system::process::{self, Program};

use crate::layout::MENU_DIR;
use crate::operations::boot_files;
use crate::refusal::Refusal;
use crate::rootfs::kernel::Found;
use crate::volume::{Kind, Volume};

/// The installers, each in the Debian package of its name, and the package of the modules. All of them come from one build.
const PROGRAM: &str = "extlinux";
const FAT_PROGRAM: &str = "syslinux";
const MODULES_PACKAGE: &str = "syslinux-common";
/// The places of the modules in distributions.
const PLACES: [&str; 3] = ["/usr/lib/syslinux/modules/bios", "/usr/lib/syslinux/bios", "/usr/share/syslinux"];
/// The menu module and the modules that it needs. `ldlinux.c32` comes with the loader itself.
const MODULES: [&str; 3] = ["menu.c32", "libutil.c32", "libcom32.c32"];

/// Fails if the machine lacks a program or a file that [`install`] needs for this kind of boot place. The error names the package.
pub fn check(kind: Kind) -> Result<()> {
    modules()?;
    let program = if kind == Kind::Fat { FAT_PROGRAM } else { PROGRAM };
    match process::find(program) {
        Some(_) => Ok(()),
        None => Err(Refusal::NoBootLoader { what: format!("{program} is"), package: program }.into()),
    }
}

/// Installs extlinux into the boot place of the volume.
pub fn install(volume: &Volume) -> Result<()> {
    let (boot, from) = (volume.boot(), modules()?);
    // The loader looks for modules where it is installed itself. On FAT this is beside the menu, because there is no link to the menu.
    let place = if boot.kind() == Kind::Fat { MENU_DIR } else { "" };
    let dir = if place.is_empty() { boot.dir().duplicate()? } else { boot.dir().ensure_dir(place, 0o755)? };
    for name in MODULES {
        let path = from.join(name);
        let file = File::open(&path).map_err(|_| missing_modules())?;
        boot_files::put(boot, &dir, name, &Found { shown: path.clone(), path, file })?;
    }
    boot_files::commit(boot)?;
    match boot.mirror() {
        None => Program::new(PROGRAM).package(PROGRAM).arg("--install").arg(boot.path()).run()?,
        Some(fat) => {
            let place = format!("/{place}");
            Program::new(FAT_PROGRAM)
                .package(FAT_PROGRAM)
                .args(["--install", "--directory", &place])
                .arg(fat.device())
                .run()?
        }
    };
    boot_files::commit(boot)
}

fn modules() -> Result<&'static Path> {
    let complete = |place: &&Path| MODULES.iter().all(|name| place.join(name).is_file());
    PLACES.into_iter().map(Path::new).find(complete).ok_or_else(missing_modules)
}

fn missing_modules() -> Error {
    let what = format!("the modules of syslinux ({}) are", MODULES.join(", "));
    Refusal::NoBootLoader { what, package: MODULES_PACKAGE }.into()
}
