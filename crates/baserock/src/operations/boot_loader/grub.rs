//! Installs GRUB on the EFI system partition: the loader, its script, and its environment block. Loaders of others stay.

use std::path::{Path, PathBuf};

use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result, if_exists};
use system::observer::Observer;
use system::process::{self, Program};
use system::resolve::Links;
use system::superblock::Uuid;

use super::Scratch;
use crate::boot::environment::Environment;
use crate::boot::grub::{self, ENVIRONMENT, MODULES, SCRIPT};
use crate::operations::{menu, repair};
use crate::refusal::Refusal;
use crate::volume::{GRUB_PLACES, Kind, OpenEsp, Volume};

/// The program that makes loaders, by its names in distributions, and its Debian package.
const PROGRAMS: [&str; 2] = ["grub-mkimage", "grub2-mkimage"];
const PACKAGE: &str = "grub-common";
/// Where distributions have the modules of GRUB, a folder for each platform.
const PLACES: [&str; 3] = ["usr/lib/grub", "usr/share/grub2", "usr/share/grub"];

/// What the sizes of files grow by on a FAT: by their last clusters and their folders, in bytes.
const ROUNDED: usize = 128 << 10;

/// A platform that GRUB is made for.
#[derive(Debug)]
struct Platform {
    /// The architecture as `uname -m` prints it.
    architecture: &'static str,
    /// GRUB's name of it.
    name: &'static str,
    /// The name under which firmware starts a loader by itself (UEFI specification, 3.5.1.1).
    file: &'static str,
    /// The Debian package of the modules.
    package: &'static str,
}

const PLATFORMS: [Platform; 2] = [
    Platform {
        architecture: "x86_64",
        name: "x86_64-efi",
        file: "BOOTX64.EFI",
        package: "grub-efi-amd64-bin",
    },
    Platform {
        architecture: "aarch64",
        name: "arm64-efi",
        file: "BOOTAA64.EFI",
        package: "grub-efi-arm64-bin",
    },
];

/// What GRUB is made of.
#[derive(Debug)]
pub struct Parts {
    platform: &'static Platform,
    program: PathBuf,
    /// The modules of the platform.
    modules: Dir,
}

/// A loader that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its path on the EFI system partition.
    pub path: PathBuf,
    /// The path of a loader of somebody else that firmware starts by itself, in the place of this one.
    pub other: Option<PathBuf>,
    /// The disk, and the number of its EFI system partition.
    pub disk: (PathBuf, u32),
}

/// Whether a tree for this architecture has the modules for a loader.
pub fn has_modules(tree: &Dir, architecture: &str) -> Result<bool> {
    let Some(platform) = PLATFORMS.iter().find(|platform| platform.architecture == architecture) else {
        return Ok(false);
    };
    Ok(modules_in(tree, platform)?.is_some())
}

/// Finds what a loader for this architecture is made of: the modules of the tree, or else of this machine. Changes nothing.
pub fn parts(tree: &Dir, architecture: &str) -> Result<Parts> {
    let platform =
        PLATFORMS.iter().find(|platform| platform.architecture == architecture).ok_or_else(|| {
            let known = PLATFORMS.map(|platform| platform.architecture).join(", ");
            Error::refused(format!(
                "GRUB is installed for {known}, and this root filesystem is for {architecture}"
            ))
        })?;
    let program = PROGRAMS.iter().find_map(|name| process::find(name)).ok_or_else(|| {
        Error::from(Refusal::NoBootLoader { what: format!("{} is", PROGRAMS[0]), package: PACKAGE })
    })?;
    for root in [tree, &Dir::open("/")?] {
        if let Some(modules) = modules_in(root, platform)? {
            return Ok(Parts { platform, program, modules });
        }
    }
    let what = format!("GRUB for {} ({}) is", platform.architecture, platform.name);
    Err(Refusal::NoBootLoader { what, package: platform.package }.into())
}

fn modules_in(tree: &Dir, platform: &Platform) -> Result<Option<Dir>> {
    for place in PLACES {
        let place = Path::new(place).join(platform.name);
        if let Some(found) = if_exists(tree.dir_with(&place, Links::InRoot))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Fails if GRUB cannot boot this volume from its disk. Changes nothing.
pub fn check(volume: &Volume) -> Result<()> {
    found(volume).map(drop)
}

/// The UUID of the volume, and the EFI system partition of its disk.
fn found(volume: &Volume) -> Result<(Uuid, OpenEsp)> {
    let (Some(uuid), Kind::Volume) = (volume.uuid(), volume.boot().kind()) else {
        return Err(Error::refused(format!(
            "{} has its boot files on another filesystem, and GRUB is to read them from the volume",
            volume.name().display()
        )));
    };
    let Some(esp) = volume.esp()? else {
        return Err(Refusal::NoEsp { volume: volume.name().to_owned() }.into());
    };
    let survey = volume.survey()?;
    repair::require_nameable_default(&survey)?;
    if menu::entries(volume, &survey)?.is_empty() {
        return Err(Refusal::NoMenu { volume: volume.name().to_owned() }.into());
    }
    Ok((uuid, esp))
}

/// Installs GRUB on the EFI system partition of the volume's disk. The boot menu is written anew, because other tools may have written it, and
/// GRUB takes its first entry for the default.
pub fn install(volume: &Volume, parts: &Parts, observer: &dyn Observer) -> Result<Installed> {
    let (uuid, esp) = found(volume)?;
    let (place, other) = place(&esp, parts.platform.file)?;
    let script = grub::script(&uuid.to_string());
    let loader = make(parts, place)?;
    // An old loader stays until the new one is whole.
    let (needed, free) = ((loader.len() + script.len() + ROUNDED) as u64, esp.room()?);
    if free < needed {
        return Err(Refusal::EspFull { disk: esp.disk().to_owned(), needed, free }.into());
    }
    repair::repair(volume, &volume.survey()?, observer)?;
    // The loader is last. It has what it needs when it is there.
    if !esp.dir().has(place.join(ENVIRONMENT))? {
        esp.write(&place.join(ENVIRONMENT), &Environment::default().to_bytes())?;
    }
    esp.write(&place.join(SCRIPT), script.as_bytes())?;
    let path = place.join(parts.platform.file);
    esp.write(&path, &loader)?;
    Ok(Installed { path, other, disk: (esp.disk().to_owned(), esp.number()) })
}

/// Where the loader belongs: where firmware looks by itself, unless another one is there.
fn place(esp: &OpenEsp, file: &str) -> Result<(&'static Path, Option<PathBuf>)> {
    let [usual, own] = GRUB_PLACES.map(Path::new);
    let script = esp.dir().read_if_exists(usual.join(SCRIPT), MOST_TEXT)?.unwrap_or_default();
    let is_ours = grub::volume_of(&String::from_utf8_lossy(&script)).is_some();
    let there = usual.join(file);
    let is_foreign = !is_ours && (!script.is_empty() || esp.dir().stat_beneath(&there)?.is_some());
    Ok(if is_foreign { (own, Some(there)) } else { (usual, None) })
}

/// Makes the loader, which looks for its script in this place.
fn make(parts: &Parts, place: &Path) -> Result<Vec<u8>> {
    let made = Scratch::new()?;
    let program = Program::new(&parts.program)
        .package(PACKAGE)
        .args(["-O", parts.platform.name, "-p"])
        .arg(Path::new("/").join(place))
        .arg("-d")
        .arg(parts.modules.proc_path())
        .arg("-o")
        .arg(made.path())
        .args(MODULES);
    made.filled_by(program)
}
