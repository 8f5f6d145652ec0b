//! `merge`: merges /etc of one version into that of another.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::etc::Take;
use baserock::extension::Environment;
use baserock::json;
use baserock::operations::etc::{self, EtcMerge};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print, steps};

/// Merge the changes to /etc of OLD into NEW
///
/// A conflict is no failure: it is named, the file of NEW is kept, and the change is in FILE.rej.
#[derive(Debug, clap::Args)]
pub struct Merge {
    /// The version whose /etc the administrator changed
    old: ExistingLabel,
    /// The version that gets the changes
    new: ExistingLabel,
    /// Only print what would be done: one line for each path, with action and path
    #[arg(long)]
    pub dry_run: bool,
    /// Print the steps as JSON
    #[arg(long)]
    json: bool,
    /// Settle a path that cannot be merged: take the user's file, or the new version's
    #[arg(long, value_name = "PATH=user|new")]
    take: Vec<Take>,
    /// Merge even if /etc of NEW has been edited: drops these edits, names them, and keeps them in etc.before-merge
    #[arg(long)]
    again: bool,
    /// Merge by the rules of the original tools
    #[arg(long)]
    original_rules: bool,
}

impl Merge {
    /// Merges, and prints the steps if they were asked for.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let environment: Environment = std::env::vars_os().collect();
        let mut how = EtcMerge { program: None, ..EtcMerge::from_environment(&environment)? };
        how.options.take.extend(self.take.iter().cloned());
        how.options.original_rules = self.original_rules;
        (how.again, how.dry_run) = (self.again, self.dry_run);
        let merged = etc::merge(volume, &self.old, &self.new, &how, &Show::new(Output::Errors))?;
        match &merged.outcome {
            Some(outcome) if self.json => print(&json::array(&outcome.steps)?),
            _ if self.dry_run => print(&steps(etc::steps(Some(&merged)))),
            _ => Ok(()),
        }
    }
}
