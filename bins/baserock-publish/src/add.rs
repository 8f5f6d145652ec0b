//! `add`: publishes a version.

use std::path::PathBuf;

use anyhow::Result;
use baserock::ExistingLabel;
use baserock_terminal::{Output, Show};
use repository::publish::{self, Folder, Publishing};
use system::dir::Dir;

use crate::Signing;

/// Publish a root filesystem as a version
///
/// The tree is for many machines: it has no machine-id and no keys of an ssh server. What is in it of other versions is not stored again. What
/// the environment says of KERNEL_ARGS, KERNEL_PATH, INITRAMFS_PATH, DTB_PATH and BOOTLOADER_CONFIG_FORMAT goes to the machines that fetch it,
/// unless they say otherwise.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// The folder of the repository; it is made if there is none
    #[arg(value_name = "REPO")]
    repository: PathBuf,
    /// The root filesystem
    #[arg(value_name = "TREE")]
    tree: PathBuf,
    /// The label of the version
    #[arg(long)]
    label: ExistingLabel,
    /// The channel that offers it from now on
    #[arg(long)]
    channel: Option<String>,
    /// Make deltas from so many of the newest versions. A machine with one of them fetches a fraction
    #[arg(long, value_name = "N", default_value_t = 3)]
    deltas: usize,
    /// zstd's level for deltas: higher ones make them smaller, and take longer
    #[arg(long, value_name = "LEVEL", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    #[command(flatten)]
    signing: Signing,
}

impl Add {
    /// Publishes it.
    pub fn run(&self) -> Result<()> {
        let tree = Dir::open(&self.tree)?;
        self.signing.require_keys()?;
        publish::refuse_one_machine(&tree)?;
        let mut folder = Folder::open_or_make(&self.repository)?;
        let publishing = Publishing {
            label: self.label.clone(),
            channel: self.channel.clone(),
            deltas: self.deltas,
            level: self.level,
            deployment: publish::deployment(&std::env::vars_os().collect())?,
        };
        publish::add(&mut folder, &tree, &publishing, &Show::new(Output::Errors))?;
        self.signing.publish(&mut folder)
    }
}
