//! The program's arguments, one file for each command. They are a library so that the man page and completions are made from them too.

mod merge;
mod sync;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use baserock::Label;
use baserock::operations::etc::{INHERITED_LOCK, MOUNTED_VOLUME};
use baserock::volume::{Opening, Purpose, Volume};
use clap::{Parser, Subcommand};
use system::lock::Patience;

/// Merges /etc between versions of the system.
///
/// The administrator's changes since a version was built are merged into another version, file by file and line by line. If a change does
/// not fit, the new version's file is kept, and the change is beside it as FILE.rej.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: baserock-system-config-sync merge factory devel --dry-run")]
pub struct Arguments {
    /// Work on this device, image or directory with systems/ in it, not on the running system
    #[arg(long, global = true, value_name = "PATH")]
    volume: Option<PathBuf>,
    /// Wait for another tool that is changing the volume, instead of refusing
    #[arg(long, global = true)]
    wait: bool,
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
        let (path, purpose) =
            match (&self.volume, std::env::var_os(MOUNTED_VOLUME), std::env::var(INHERITED_LOCK)) {
                (None, Some(mounted), Ok(lock)) => {
                    let lock = lock
                        .parse()
                        .with_context(|| format!("{INHERITED_LOCK} is {lock:?}, no descriptor"))?;
                    (Some(PathBuf::from(mounted)), Purpose::ChangeUnder(lock))
                }
                _ => (self.volume.clone(), Purpose::Change),
            };
        Ok(Volume::open(&Opening { location: path.into(), purpose, patience })?)
    }
}

/// Parses the label of an existing version.
fn existing(text: &str) -> Result<Label> {
    Label::existing(text.as_ref()).ok_or_else(|| anyhow!("invalid label {text:?}"))
}
