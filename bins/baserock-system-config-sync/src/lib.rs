//! The program's arguments, one file for each command. They are a library so that the man page and completions are made from them too.

mod merge;
mod remedies;
mod sync;

use anyhow::{Context, Result};
use baserock::operations::etc::{INHERITED_LOCK, MOUNTED_VOLUME};
use baserock::volume::{Location, Opening, Purpose, Volume};
use baserock_terminal::{Manners, VolumeArguments};
use clap::{Parser, Subcommand};
use system::lock::Patience;

pub use remedies::remedies;

/// Merges /etc between versions of the system.
///
/// The administrator's changes since a version was built are merged into another version, file by file and line by line. If a change does
/// not fit, the new version's file is kept, and the change is beside it as FILE.rej.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: baserock-system-config-sync merge factory devel --dry-run")]
pub struct Arguments {
    #[command(flatten)]
    volume: VolumeArguments,
    /// Wait for another tool that is changing the volume, instead of refusing
    #[arg(long, global = true)]
    wait: bool,
    #[command(flatten)]
    manners: Manners,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Merge(merge::Merge),
    Sync(sync::Sync),
}

impl Arguments {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        self.manners.apply();
        let volume = self.open()?;
        match &self.command {
            Command::Merge(merge) => merge.run(&volume)?,
            Command::Sync(sync) => sync.run(&volume)?,
        }
        volume.close()?;
        Ok(())
    }

    /// Opens the volume. If a deployment has started this program, it is the volume that the deployment has open.
    fn open(&self) -> Result<Volume> {
        let patience = if self.wait { Patience::Wait } else { Patience::Refuse };
        match (self.volume.given(), std::env::var_os(MOUNTED_VOLUME), std::env::var(INHERITED_LOCK)) {
            (None, Some(mounted), Ok(lock)) => {
                let lock =
                    lock.parse().with_context(|| format!("{INHERITED_LOCK} is {lock:?}, no descriptor"))?;
                let location = Location::Path(mounted.into());
                Ok(Volume::open(&Opening { location, purpose: Purpose::ChangeUnder(lock), patience })?)
            }
            _ => Ok(self.volume.open(self.purpose(), patience)?),
        }
    }

    fn purpose(&self) -> Purpose {
        match &self.command {
            Command::Merge(merge) if merge.dry_run => Purpose::Look,
            Command::Merge(_) | Command::Sync(_) => Purpose::Change,
        }
    }
}
