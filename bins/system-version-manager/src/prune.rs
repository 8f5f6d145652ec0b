//! `prune`: removes old versions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use baserock::ExistingLabel;
use baserock::operations::prune::{self, Prune, Pruned};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};

use crate::time::duration;

/// Remove old versions, and print their labels
///
/// These stay, however old they are: the running version, the default, factory, pinned ones, the one on trial, those in use, and the newest
/// one beside the running and the default version that is known to have come up. What stays is named on standard error.
///
/// With both --keep and --older-than, a version has to be old by both. The variable KEEP_VERSIONS=N has deploy do the same before it begins.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("old").required(true).multiple(true))]
pub struct PruneVersions {
    /// Keep the N newest complete versions
    #[arg(long, value_name = "N", group = "old")]
    keep: Option<usize>,
    /// Keep those that were deployed less than this time ago: 90s, 10m, 12h, 30d, 2w
    #[arg(long, value_name = "AGE", group = "old", value_parser = duration)]
    older_than: Option<Duration>,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl PruneVersions {
    /// Removes them.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let pruned = prune::prune(volume, &self.old()?, &Show::new(Output::Errors))?;
        print(&labels(&pruned))
    }

    /// Says what would be removed.
    pub fn look(&self, volume: &Volume) -> Result<()> {
        let pruned = prune::plan(volume, &self.old()?)?;
        for (_, reason) in &pruned.stay {
            eprintln!("{reason}, so it stays");
        }
        print(&labels(&pruned))
    }

    fn old(&self) -> Result<Prune> {
        let before = |age: Duration| {
            SystemTime::now().checked_sub(age).context("no version can be as old as --older-than says")
        };
        Ok(Prune { keep: self.keep, before: self.older_than.map(before).transpose()? })
    }
}

fn labels(pruned: &Pruned) -> String {
    pruned.removed.iter().map(line).collect()
}

fn line(label: &ExistingLabel) -> String {
    format!("{label}\n")
}
