//! `cargo xtask bench`: our tools against the best that people use instead, in the same run, as ratios.

mod measure;
mod rawdisk;

use anyhow::Result;

/// Measure against the peers, in the same run, and print the ratios
#[derive(clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    which: Which,
}

#[derive(clap::Subcommand)]
enum Which {
    /// rawdisk.write of a Debian tree, against mkfs.btrfs, mount, cp -a and sync
    Rawdisk,
}

impl Bench {
    /// Runs one.
    pub fn run(&self) -> Result<()> {
        match self.which {
            Which::Rawdisk => rawdisk::run(),
        }
    }
}
