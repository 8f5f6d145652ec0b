//! `deploy`: makes a tree a version.

use anyhow::{Result, anyhow};
use baserock::boot::Parameters;
use baserock::etc::Take;
use baserock::extension::Environment;
use baserock::layout::{self, ORIG};
use baserock::operations::{self, etc::EtcMerge};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};

/// Make the tree in /systems/LABEL/orig a version
///
/// The tree is a subvolume at systems/LABEL/orig of the volume. The version gets /etc merged from the running version (with --volume, from
/// the default version), and an entry in the boot menu. The default does not change.
///
/// The environment may set KERNEL_PATH, INITRAMFS_PATH, DTB_PATH, KERNEL_ARGS, ROOT_DEVICE and BOOTLOADER_CONFIG_FORMAT. Variables that are
/// not set are taken from the version's /baserock/deployment.meta. VERSION_NOTE is a note beside the version. With KEEP_VERSIONS=N, old
/// versions are removed before it begins, as prune --keep N does.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// The path of the tree: /systems/LABEL/orig
    #[arg(value_name = "LOCATION")]
    location: String,
    /// Settle a path of /etc that cannot be merged: take the user's file, or the new version's
    #[arg(long, value_name = "PATH=user|new")]
    take: Vec<Take>,
}

impl Deploy {
    /// Deploys.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let label = layout::label_of(&self.location, ORIG)
            .ok_or_else(|| anyhow!("{} is not of the form /systems/LABEL/orig", self.location))?
            .parse()?;
        let environment: Environment = std::env::vars_os().collect();
        let mut etc = EtcMerge::from_environment(&environment)?;
        etc.options.take.extend(self.take.iter().cloned());
        let parameters = Parameters::from_environment(&environment)?;
        let keep = environment.count("KEEP_VERSIONS", "versions")?;
        let options = operations::Deploy { label, parameters, etc: Some(etc), keep };
        operations::deploy(volume, &options, &Show::new(Output::Errors))?;
        Ok(())
    }
}
