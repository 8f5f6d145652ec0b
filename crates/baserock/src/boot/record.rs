//! `boot.json`: the boot parameters of a version. Menus are rendered from it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use system::error::{Error, Result};

use crate::json::{self, Format};

/// The boot parameters in force when a version was deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// The root device on the kernel's command line: `UUID=…`, `PARTUUID=…` or a device name.
    pub root: String,
    /// The arguments that are appended to the kernel's command line.
    #[serde(default)]
    pub kernel_args: String,
    /// Whether the version has a kernel outside its subvolumes. It has none if another boot loader starts it.
    pub kernel: bool,
    /// Whether it has an initramfs.
    #[serde(default)]
    pub initramfs: bool,
    /// Whether it has a device tree.
    #[serde(default)]
    pub dtb: bool,
    /// Whether it has a directory of device trees instead, from which the boot loader takes that of the board.
    #[serde(default)]
    pub fdtdir: bool,
}

impl Format for BootRecord {}

impl BootRecord {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| Error::malformed(shown, fault.in_a("a record of boot parameters")))
    }

    /// The file's bytes, with a final newline.
    pub fn render(&self) -> Vec<u8> {
        json::file(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_before_the_number_are_read_and_newer_ones_refused() {
        let before =
            br#"{"root": "UUID=a", "kernel_args": "quiet", "kernel": true, "initramfs": true, "dtb": false}"#;
        let record = BootRecord::parse(before, Path::new("boot.json")).unwrap();
        let text = String::from_utf8(record.render()).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"root\": \"UUID=a\",\n"), "{text}");
        assert_eq!(BootRecord::parse(text.as_bytes(), Path::new("boot.json")).unwrap(), record);
        let newer = text.replace("\"format\": 1", "\"format\": 7");
        assert_eq!(
            BootRecord::parse(newer.as_bytes(), Path::new("boot.json")).unwrap_err().to_string(),
            "boot.json: written by a newer program (format 7, this one reads 1)"
        );
    }
}
