//! `list`: lists the versions.

use std::cmp::Reverse;
use std::io::{IsTerminal, stdout};

use anyhow::Result;
use baserock::etc::left::named;
use baserock::json;
use baserock::volume::{Details, LateChanges, Version, Volume};
use baserock_terminal::manners::manners;
use baserock_terminal::{complain, print, table};
use clap::ValueEnum;

use crate::tree::{self, Node};
use crate::words::{add_sizes, marks, mebibytes, minutes, revision, trial_of};

/// List the versions: LABEL, then (running), then (default), if they apply
///
/// There is one line for each version, sorted by label. On a terminal, and with --long, there is a table instead: marks (running, default, next,
/// trial, pinned, unsigned, good, or how many conflicts are open), when it was deployed, the system, its kernel, revision and note. A version is good
/// if it is known to have come up. With --long, it has the size of the data too, and how much of it becomes free if the version is removed.
///
/// With --quiet, there are the labels alone.
///
/// Incomplete versions are named only on standard error, and with --json. If /etc of the running version has changed since it was merged into
/// the default, that is said on standard error, and with --json.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Print a JSON array with all versions, complete or not, and all that is known of them
    #[arg(long, conflicts_with_all = ["long", "quiet", "no_header"])]
    json: bool,
    /// Print the table, wherever it goes
    #[arg(long, conflicts_with = "quiet")]
    long: bool,
    /// Print a tree: below each version are those whose /etc was merged from it
    #[arg(long, conflicts_with_all = ["json", "long", "quiet", "no_header"])]
    tree: bool,
    /// Leave out the headings of the table
    #[arg(long, conflicts_with = "quiet")]
    no_header: bool,
    /// The order: by label, the latest deployment first, or first the one whose removal gives back most
    #[arg(long, value_name = "KEY", default_value = "label")]
    sort: Sort,
}

/// An order of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Label,
    Deployed,
    Size,
}

/// The headings of the table.
const HEADINGS: [&str; 9] =
    ["LABEL", "MARKS", "DEPLOYED (UTC)", "SYSTEM", "KERNEL", "SIZE", "EXCLUSIVE", "REVISION", "NOTE"];

impl List {
    /// Prints the versions of the volume.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let quiet = manners().is_quiet();
        let mut versions = volume.versions()?;
        if !quiet {
            look_closely(volume, &mut versions)?;
        }
        if self.sort == Sort::Deployed {
            sort_by_deployment(volume, &mut versions);
        }
        if self.json {
            return print(&json::array(&self.details(volume, versions)?)?);
        }
        for version in versions.iter().filter(|_| !quiet) {
            if let Some(missing) = &version.missing {
                complain(&format!("{} is not complete: {missing}", version.label));
            }
        }
        versions.retain(Version::is_complete);
        if self.tree {
            return print(&tree::drawn(&nodes(volume, &self.details(volume, versions)?)));
        }
        if self.sort != Sort::Size && quiet {
            return print(&versions.iter().map(label).collect::<String>());
        }
        if self.sort != Sort::Size && !self.long && !stdout().is_terminal() {
            return print(&versions.iter().map(line).collect::<String>());
        }
        let details = self.details(volume, versions)?;
        if quiet {
            return print(&details.iter().map(|details| label(&details.version)).collect::<String>());
        }
        if !self.long && !stdout().is_terminal() {
            return print(&details.iter().map(|details| line(&details.version)).collect::<String>());
        }
        for fault in details.iter().flat_map(|details| &details.faults) {
            complain(fault);
        }
        let headings = (!self.no_header).then_some(&HEADINGS[..]);
        print(&table(headings, &details.iter().map(row).collect::<Vec<_>>()))
    }
}

impl List {
    /// All that is known of the versions. Sizes take a look at all extents of the volume, so they are looked for only where they are asked for.
    fn details(&self, volume: &Volume, versions: Vec<Version>) -> Result<Vec<Details>> {
        let mut details = volume.details(versions)?;
        if self.json || self.long || self.sort == Sort::Size {
            add_sizes(volume, &mut details);
        }
        if self.sort == Sort::Size {
            details.sort_by_key(|details| Reverse(details.exclusive));
        }
        Ok(details)
    }
}

/// Says what is to be said of versions beside the list, and notes it for JSON.
fn look_closely(volume: &Volume, versions: &mut [Version]) -> Result<()> {
    for version in versions.iter_mut().filter(|version| version.default && !version.running) {
        match volume.late_changes(&version.label) {
            Ok(None) => {}
            Ok(Some(late)) => {
                complain(&changed_since(version, &late));
                version.changed_since = Some(late.old);
            }
            // A record that cannot be read must not hide the versions.
            Err(error) => complain(&format!("{}: {error}", version.label)),
        }
    }
    for version in versions.iter() {
        if let Some(origin) = volume.origin(&version.label)?.filter(|origin| origin.signed_by.is_empty()) {
            let (label, source) = (&version.label, origin.source);
            complain(&format!(
                "{label} is not signed: it was fetched from {source}, and nobody vouches for it"
            ));
        }
    }
    mark_trials(volume, versions)
}

/// Says how trials stand, on standard error and in the versions.
fn mark_trials(volume: &Volume, versions: &mut [Version]) -> Result<()> {
    if let Some(fault) = volume.trial_fault()? {
        complain(&fault.to_string());
    }
    for version in versions {
        version.trial = trial_of(volume, &version.label)?;
        if let (Some(words), true) = (&version.trial, version.is_complete()) {
            complain(&format!("trial of {}: {words}", version.label));
        }
    }
    Ok(())
}

/// The latest first. What is not known to have been deployed comes last.
fn sort_by_deployment(volume: &Volume, versions: &mut [Version]) {
    versions.sort_by_cached_key(|version| {
        let deployed = volume.deployed(&version.label).ok().flatten();
        Reverse(deployed.map(|(transaction, _)| transaction))
    });
}

fn nodes(volume: &Volume, details: &[Details]) -> Vec<Node> {
    let node = |details: &Details| {
        let label = &details.version.label;
        let words =
            [marks(details).join(","), details.system.pretty_name.clone(), details.remarks.note.clone()];
        // A record that cannot be read must not hide the version.
        let merge = volume.merge_record(label).unwrap_or_else(|error| {
            complain(&format!("{label}: {error}"));
            None
        });
        Node {
            label: label.to_string(),
            parent: merge.map(|merge| merge.old),
            words: words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("  "),
        }
    };
    details.iter().map(node).collect()
}

fn row(details: &Details) -> Vec<String> {
    let deployed = details.deployed.as_deref().map(minutes).unwrap_or_default();
    vec![
        details.version.label.to_string(),
        marks(details).join(","),
        deployed,
        details.system.pretty_name.clone(),
        details.kernel.clone().unwrap_or_default(),
        mebibytes(details.size),
        mebibytes(details.exclusive),
        revision(details),
        details.remarks.note.clone(),
    ]
}

fn label(version: &Version) -> String {
    format!("{}\n", version.label)
}

fn line(version: &Version) -> String {
    let mark = |is, mark| if is { mark } else { "" };
    let (running, default) = (mark(version.running, " (running)"), mark(version.default, " (default)"));
    format!("{}{running}{default}\n", version.label)
}

fn changed_since(version: &Version, late: &LateChanges) -> String {
    let paths = if late.paths.is_empty() { String::new() } else { format!(": {}", named(&late.paths)) };
    format!("/etc of {} has changed since it was merged into {}, the default{paths}", late.old, version.label)
}
