//! The program's arguments, a file a command. They are a library so that man page and completions come from them too.

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
/// What the administrator changed since a version was built is brought into another version, file by file and line by line. Where a
/// change does not fit, the file is the new version's, and the change is beside it as FILE.rej.
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
    /// Does what was asked.
    pub fn run(&self) -> Result<()> {
        let volume = self.open()?;
        match &self.command {
            Command::Merge(merge) => merge.run(&volume)?,
            Command::Sync(sync) => sync.run(&volume)?,
        }
        volume.close()?;
        Ok(())
    }

    /// The volume; started by a deployment, the one that it has open.
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

/// A label of a version that is there.
fn existing(text: &str) -> Result<Label> {
    Label::existing(text.as_ref()).ok_or_else(|| anyhow!("invalid label {text:?}"))
}
