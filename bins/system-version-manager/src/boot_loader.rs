//! `install-bootloader`.

use std::fs;

use anyhow::{Context, Result};
use baserock::layout::RUN;
use baserock::operations::boot_loader::extlinux;
use baserock::operations::boot_loader::grub::{self, Installed};
use baserock::rootfs::architecture::architecture;
use baserock::volume::{Kind, Volume, Way};
use baserock_terminal::remedy::not_started;
use baserock_terminal::{Output, Show};
use clap::ValueEnum;
use system::dir::Dir;
use system::observer::Observer;

/// Install the boot loader, or install it again
///
/// GRUB is made of the modules that the default version has, or else this machine. It goes to the EFI system partition of the disk, and reads the
/// boot menu of the volume from then on, which is written anew for it. A machine that booted by BIOS boots by UEFI too, once its disk has such
/// a partition (a FAT of 64 MiB). Loaders of others on it stay.
#[derive(Debug, clap::Args)]
pub struct InstallBootloader {
    /// Which one. Without it: those that the disk has, and GRUB if it has an EFI system partition
    #[arg(value_enum)]
    loaders: Vec<Loader>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loader {
    /// For BIOS
    Extlinux,
    /// For UEFI
    GrubEfi,
}

impl InstallBootloader {
    /// Runs the command.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let loaders = if self.loaders.is_empty() { there(volume)? } else { self.loaders.clone() };
        anyhow::ensure!(
            !loaders.is_empty(),
            "no boot loader is there to install again; name one: extlinux or grub-efi"
        );
        // What is missing for one is found before the other is installed.
        let mut parts = None;
        for loader in &loaders {
            match loader {
                Loader::Extlinux => extlinux::check(volume.boot().kind())?,
                Loader::GrubEfi => {
                    grub::check(volume)?;
                    parts = Some(grub_parts(volume)?);
                }
            }
        }
        if loaders.contains(&Loader::Extlinux) {
            show.phase("installing extlinux");
            extlinux::install(volume)?;
        }
        if let Some(parts) = parts {
            if volume.running().is_some() && secure_boot() {
                show.warn(
                    "Secure Boot is on: the firmware starts only signed loaders, and this one is not signed; \
                     turn it off in the firmware's setup before the next boot"
                        .to_owned(),
                );
            }
            show.phase("installing GRUB");
            let Installed { path, other, disk: (disk, number) } = grub::install(volume, &parts, show)?;
            if let Some(other) = other {
                show.warn(not_started(&path, &other, (&disk, number)));
            }
        }
        Ok(())
    }
}

/// Where the kernel shows the variable of the firmware: four bytes of attributes, and 1 if Secure Boot is on (UEFI specification, 3.3).
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Whether this machine's firmware starts only signed loaders. One without the variable starts any.
fn secure_boot() -> bool {
    fs::read(SECURE_BOOT).is_ok_and(|variable| variable.get(4) == Some(&1))
}

/// The loaders that the disk has, or has a place for.
fn there(volume: &Volume) -> Result<Vec<Loader>> {
    let one_shot = volume.one_shot()?;
    let has_extlinux = one_shot.ways().iter().any(|way| matches!(way, Way::Extlinux(_)));
    let has_esp = volume.boot().kind() == Kind::Volume && volume.esp()?.is_some();
    let candidates = [(Loader::Extlinux, has_extlinux), (Loader::GrubEfi, has_esp)];
    Ok(candidates.into_iter().filter_map(|(loader, is_there)| is_there.then_some(loader)).collect())
}

fn grub_parts(volume: &Volume) -> Result<grub::Parts> {
    let tree = if volume.running().is_some() {
        Dir::open("/")?
    } else {
        let default =
            volume.default()?.context("the volume has no default version, whose boot loader it could be")?;
        volume.version_dir(&default)?.dir(RUN)?
    };
    let architecture = architecture(&tree)?.with_context(|| {
        format!(
            "cannot tell for which processor {} is: it has no program of its own",
            tree.shown("").display()
        )
    })?;
    Ok(grub::parts(&tree, architecture)?)
}
