//! The boot loaders of a new disk.

use baserock::operations::boot_loader::grub;
use baserock::rootfs::architecture::architecture;
use system::dir::Dir;
use system::error::{Error, Result};

/// The boot loaders that a new disk gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// extlinux, for BIOS.
    Extlinux,
    /// GRUB, for UEFI.
    GrubEfi,
    /// Both, on one disk.
    Hybrid,
    /// The script for a U-Boot that is there.
    Uboot,
    /// None: the machine has one of its own.
    None,
}

impl Loader {
    /// Parses the value of `BOOTLOADER_INSTALL`.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "extlinux" => Loader::Extlinux,
            "grub-efi" => Loader::GrubEfi,
            "hybrid" => Loader::Hybrid,
            "uboot" => Loader::Uboot,
            "none" => Loader::None,
            other => {
                return Err(Error::refused(format!(
                    "BOOTLOADER_INSTALL is {other:?}; use extlinux, grub-efi, hybrid, uboot or none"
                )));
            }
        })
    }

    /// The loader that was asked for, or else the usual one for this tree.
    pub fn of(asked: Option<Loader>, tree: &Dir) -> Result<Self> {
        if let Some(loader) = asked {
            return Ok(loader);
        }
        Ok(match architecture(tree)? {
            Some(other) if !matches!(other, "x86_64" | "i686") => {
                if grub::has_modules(tree, other)? {
                    Loader::GrubEfi
                } else {
                    Loader::None
                }
            }
            _ => Loader::Extlinux,
        })
    }

    /// Whether extlinux is one of them.
    pub fn has_extlinux(self) -> bool {
        matches!(self, Loader::Extlinux | Loader::Hybrid)
    }

    /// Whether GRUB is one of them.
    pub fn has_grub(self) -> bool {
        matches!(self, Loader::GrubEfi | Loader::Hybrid)
    }

    /// Whether one of them is on an EFI system partition.
    pub fn has_esp(self) -> bool {
        self.has_grub() || self == Loader::Uboot
    }
}
