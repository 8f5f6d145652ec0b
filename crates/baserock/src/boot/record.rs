//! `boot.json`: what a version boots with. Menus are rendered from it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use system::error::{Error, Result};

/// The boot parameters in force when a version was deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// The root device on the kernel's command line: `UUID=…`, `PARTUUID=…` or a device name.
    pub root: String,
    /// What is appended to the kernel's command line.
    #[serde(default)]
    pub kernel_args: String,
    /// Whether the version has a kernel outside; none where no boot loader of ours boots it.
    pub kernel: bool,
    /// Whether it has an initramfs.
    #[serde(default)]
    pub initramfs: bool,
    /// Whether it has a device tree.
    #[serde(default)]
    pub dtb: bool,
}

impl BootRecord {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::malformed(shown, format!("not a record of boot parameters ({error})")))
    }

    /// The file's bytes, with a final newline.
    pub fn render(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
