//! The boot parameters of a deployment, from the environment or else from the version's own `deployment.meta`.

use std::path::PathBuf;

use system::error::{Error, Result};

use crate::extension::Environment;
use crate::meta::DeploymentMeta;
use crate::remarks::check_note;

/// The boot parameters of a version. A parameter that was given nowhere is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The kernel's path in the root filesystem; empty for "at the usual place".
    pub kernel_path: Option<PathBuf>,
    /// The path of the initramfs; empty for "none".
    pub initramfs_path: Option<PathBuf>,
    /// The path of the device tree; empty for "none".
    pub dtb_path: Option<PathBuf>,
    /// The arguments to append to the kernel's command line.
    pub kernel_args: Option<String>,
    /// The kernel's name for the root device; empty for "find it".
    pub root_device: Option<String>,
    /// The format of the menu.
    pub menu: Option<MenuFormat>,
    /// A note about the version.
    pub note: Option<String>,
    /// Which revision the version is made from.
    pub revision: Option<String>,
}

/// The format of the boot menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuFormat {
    /// The menu of extlinux and U-Boot.
    Extlinux,
    /// No menu: another boot loader starts the system.
    None,
}

/// The variables of the parameters.
pub const NAMES: [&str; 8] = [
    "KERNEL_PATH",
    "INITRAMFS_PATH",
    "DTB_PATH",
    "KERNEL_ARGS",
    "ROOT_DEVICE",
    "BOOTLOADER_CONFIG_FORMAT",
    "VERSION_NOTE",
    "VERSION_REVISION",
];

impl Parameters {
    /// The parameters in an environment.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        Ok(Parameters {
            kernel_path: environment.path_in_tree("KERNEL_PATH")?,
            initramfs_path: environment.path_in_tree("INITRAMFS_PATH")?,
            dtb_path: environment.path_in_tree("DTB_PATH")?,
            kernel_args: environment.text("KERNEL_ARGS")?.map(str::to_owned),
            root_device: environment.text("ROOT_DEVICE")?.map(root_device).transpose()?,
            menu: environment.text("BOOTLOADER_CONFIG_FORMAT")?.map(menu_format).transpose()?,
            note: line(environment, "VERSION_NOTE")?,
            revision: line(environment, "VERSION_REVISION")?,
        })
    }

    /// These parameters. Those that are missing are taken from the version's own metadata; the others in it do not count.
    pub fn or_meta(self, meta: &DeploymentMeta) -> Result<Self> {
        let given = [
            self.kernel_path.is_some(),
            self.initramfs_path.is_some(),
            self.dtb_path.is_some(),
            self.kernel_args.is_some(),
            self.root_device.is_some(),
            self.menu.is_some(),
            self.note.is_some(),
            self.revision.is_some(),
        ];
        let missing = NAMES.iter().zip(given).filter(|(_, given)| !given);
        let said: Environment = missing.filter_map(|(&name, _)| Some((name, meta.get(name)?))).collect();
        let said = Parameters::from_environment(&said)?;
        Ok(Parameters {
            kernel_path: self.kernel_path.or(said.kernel_path),
            initramfs_path: self.initramfs_path.or(said.initramfs_path),
            dtb_path: self.dtb_path.or(said.dtb_path),
            kernel_args: self.kernel_args.or(said.kernel_args),
            root_device: self.root_device.or(said.root_device),
            menu: self.menu.or(said.menu),
            note: self.note.or(said.note),
            revision: self.revision.or(said.revision),
        })
    }

    /// The format of the menu to write. `has_menu` tells whether the disk has a menu already.
    pub fn menu_format(&self, has_menu: bool) -> MenuFormat {
        self.menu.unwrap_or_else(|| MenuFormat::usual(has_menu, std::env::consts::ARCH))
    }
}

impl MenuFormat {
    /// The format if none was given. An existing menu is kept up to date. A new one is made only for processors that boot with extlinux.
    fn usual(has_menu: bool, architecture: &str) -> Self {
        if has_menu || matches!(architecture, "x86_64" | "x86") {
            MenuFormat::Extlinux
        } else {
            MenuFormat::None
        }
    }
}

fn root_device(text: &str) -> Result<String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
        return Err(Error::refused(format!("ROOT_DEVICE is {text:?}; use one word: /dev/sda")));
    }
    Ok(text.to_owned())
}

/// A variable with one line of text.
fn line(environment: &Environment, name: &str) -> Result<Option<String>> {
    let Some(text) = environment.text(name)? else { return Ok(None) };
    check_note(text).map_err(|error| Error::refused(format!("{name}: {error}")))?;
    Ok(Some(text.to_owned()))
}

fn menu_format(text: &str) -> Result<MenuFormat> {
    match text {
        "extlinux" => Ok(MenuFormat::Extlinux),
        "none" => Ok(MenuFormat::None),
        _ => Err(Error::refused(format!("BOOTLOADER_CONFIG_FORMAT is {text:?}; use extlinux or none"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parameters(environment: &[(&str, &str)], meta: &str) -> Result<Parameters> {
        let meta = DeploymentMeta::parse(meta.as_bytes(), Path::new("meta")).unwrap();
        Parameters::from_environment(&environment.iter().copied().collect())?.or_meta(&meta)
    }

    #[test]
    fn the_environment_wins_and_empty_says_none() {
        let meta = r#"{"configuration": {"KERNEL_ARGS": "quiet", "INITRAMFS_PATH": "boot/i", "ROOT_DEVICE": "/dev/vda"}}"#;
        let found = parameters(&[("KERNEL_ARGS", ""), ("INITRAMFS_PATH", "")], meta).unwrap();
        assert_eq!(found.kernel_args.as_deref(), Some(""));
        assert_eq!(found.initramfs_path.as_deref(), Some(Path::new("")));
        assert_eq!(found.root_device.as_deref(), Some("/dev/vda"));
        assert_eq!((found.kernel_path, found.menu), (None, None));
    }

    #[test]
    fn boards_get_a_menu_only_where_somebody_asks_or_there_is_one() {
        use MenuFormat::{Extlinux, None};
        for (has_menu, architecture, expected) in [
            (false, "x86_64", Extlinux),
            (false, "x86", Extlinux),
            (false, "aarch64", None),
            (false, "riscv64", None),
            (true, "aarch64", Extlinux),
        ] {
            assert_eq!(MenuFormat::usual(has_menu, architecture), expected, "{architecture}");
        }
        let said = parameters(&[("BOOTLOADER_CONFIG_FORMAT", "none")], "{}").unwrap();
        assert_eq!(said.menu_format(true), None);
    }

    #[test]
    fn a_root_device_is_one_word() {
        for text in ["/dev/sda ro", "/dev/sda\nx", "\"a"] {
            let error = parameters(&[("ROOT_DEVICE", text)], "{}").unwrap_err().to_string();
            assert!(error.contains(&format!("ROOT_DEVICE is {text:?}")), "{error}");
        }
    }

    #[test]
    fn a_foreign_menu_format_is_named() {
        let meta = r#"{"configuration": {"BOOTLOADER_CONFIG_FORMAT": "grub"}}"#;
        for (environment, meta) in [(&[("BOOTLOADER_CONFIG_FORMAT", "grub")][..], "{}"), (&[], meta)] {
            let error = parameters(environment, meta).unwrap_err().to_string();
            assert!(error.contains("BOOTLOADER_CONFIG_FORMAT is \"grub\""), "{error}");
        }
        let said = parameters(&[("BOOTLOADER_CONFIG_FORMAT", "none")], meta).unwrap();
        assert_eq!(said.menu, Some(MenuFormat::None), "what the metadata say does not count then");
    }
}
