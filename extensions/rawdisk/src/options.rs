//! What the environment asks for.

use baserock::error::{Error, Result};
use baserock::extension::Environment;

/// The parameters of rawdisk, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of a new image, bytes.
    pub disk_size: Option<u64>,
    /// Whether extlinux is installed.
    pub install_extlinux: bool,
}

impl Options {
    /// Parses; every error names its variable.
    pub fn new(environment: &Environment) -> Result<Self> {
        Ok(Options {
            disk_size: environment.size("DISK_SIZE")?,
            install_extlinux: install_extlinux(environment)?,
        })
    }

    /// The size of a new image, which must have been given.
    pub fn required_size(&self) -> Result<u64> {
        self.disk_size
            .ok_or_else(|| Error::refused("DISK_SIZE is not set; a new image needs it: DISK_SIZE=4G"))
    }
}

fn install_extlinux(environment: &Environment) -> Result<bool> {
    match environment.text("BOOTLOADER_INSTALL")? {
        None | Some("extlinux") => Ok(true),
        Some("none") => Ok(false),
        Some(other) => Err(Error::refused(format!("BOOTLOADER_INSTALL is {other:?}; use extlinux or none"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_errors() {
        let options = |pairs: &[(&str, &str)]| Options::new(&pairs.iter().copied().collect());
        assert_eq!(options(&[]).unwrap(), Options { disk_size: None, install_extlinux: true });
        assert_eq!(options(&[("DISK_SIZE", "2g")]).unwrap().required_size().unwrap(), 2 << 30);
        assert!(options(&[]).unwrap().required_size().unwrap_err().to_string().contains("DISK_SIZE"));
        for (name, value) in [("DISK_SIZE", "2X"), ("BOOTLOADER_INSTALL", "grub")] {
            assert!(options(&[(name, value)]).unwrap_err().to_string().starts_with(name), "{name}");
        }
    }
}
