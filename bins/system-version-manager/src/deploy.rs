//! `deploy`: makes a tree a version.

use anyhow::{Result, anyhow};
use baserock::boot::Parameters;
use baserock::etc::Take;
use baserock::extension::Environment;
use baserock::layout::{self, ORIG};
use baserock::operations::{
    self, deploy,
    etc::{self, EtcMerge},
};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print, steps};
use system::observer::Observer;

use crate::words::mebibytes;

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
    /// Refuse it, before anything is changed, if the merge of /etc has conflicts
    #[arg(long)]
    refuse_conflicts: bool,
    /// Print what would be done to /etc, one line for each path, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Deploy {
    /// Deploys.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        operations::deploy(volume, &self.options()?, &Show::new(Output::Errors))?;
        Ok(())
    }

    /// Says what would be done.
    pub fn look(&self, volume: &Volume) -> Result<()> {
        let (options, show): (_, &dyn Observer) = (self.options()?, &Show::new(Output::Errors));
        let preview = deploy::preview(volume, &options, show)?;
        for label in &preview.removed {
            show.note(format!("{label} would be removed first"));
        }
        show.note(format!(
            "the files that {} boots with take {}; {} of {} are free",
            options.label,
            mebibytes(Some(preview.boot_files)),
            mebibytes(Some(preview.available)),
            mebibytes(Some(preview.total))
        ));
        print(&steps(etc::steps(preview.merged.as_ref())))
    }

    fn options(&self) -> Result<operations::Deploy> {
        let label = layout::label_of(&self.location, ORIG)
            .ok_or_else(|| anyhow!("{} is not of the form /systems/LABEL/orig", self.location))?
            .parse()?;
        let environment: Environment = std::env::vars_os().collect();
        let mut merge = EtcMerge::from_environment(&environment)?;
        merge.options.take.extend(self.take.iter().cloned());
        let parameters = Parameters::from_environment(&environment)?;
        let keep = environment.count("KEEP_VERSIONS", "versions")?;
        Ok(operations::Deploy {
            label,
            parameters,
            etc: Some(merge),
            keep,
            refuse_conflicts: self.refuse_conflicts,
        })
    }
}
