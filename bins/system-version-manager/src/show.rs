//! `show`: everything about one version.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::boot::Menu;
use baserock::json::{self, Format};
use baserock::volume::{Details, Volume};
use baserock_terminal::{print, table};
use serde::Serialize;

use crate::words::{add_sizes, marks, mebibytes, minutes, revision, trial_of};

/// Show everything that is known about a version
#[derive(Debug, clap::Args)]
pub struct ShowVersion {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A version as JSON.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    details: Details,
    /// The root device on the kernel's command line.
    root: Option<String>,
    /// The arguments that are appended to the kernel's command line.
    kernel_args: Option<String>,
    /// The version from which `/etc` was merged last.
    merged_from: Option<String>,
    /// What is wrong with the version outside its tree, in words.
    problems: Vec<String>,
}

impl Format for Shown {}

impl ShowVersion {
    /// Prints it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let mut versions = volume.versions()?;
        versions.retain(|version| version.label == self.label);
        for version in &mut versions {
            version.trial = trial_of(volume, &version.label)?;
        }
        let mut found = volume.details(versions)?;
        add_sizes(volume, &mut found);
        let Some(details) = found.pop() else { return Ok(volume.require(&self.label)?) };
        let menu = volume.boot().menu()?.unwrap_or_else(Menu::default);
        let mut faults = Vec::new();
        let record = known(volume.boot_record(&self.label, &menu), &mut faults).flatten();
        let merge = known(volume.merge_record(&self.label), &mut faults).flatten();
        let problems = known(volume.faults(&self.label), &mut faults).unwrap_or_default();
        let shown = Shown {
            root: record.as_ref().map(|record| record.root.clone()),
            kernel_args: record.map(|record| record.kernel_args),
            merged_from: merge.map(|merge| merge.old),
            problems: [problems, faults].concat(),
            details,
        };
        if self.json {
            return print(&String::from_utf8(json::file(&shown))?);
        }
        print(&table(None, &rows(&shown)))
    }
}

fn known<T>(outcome: baserock::Result<T>, faults: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|error| faults.push(error.to_string())).ok()
}

fn rows(shown: &Shown) -> Vec<Vec<String>> {
    let details = &shown.details;
    let deployed = details.deployed.as_deref().map(|text| format!("{} UTC", minutes(text)));
    let mut rows = vec![
        ("label", Some(details.version.label.to_string())),
        ("marks", Some(marks(details).join(", "))),
        ("note", Some(details.remarks.note.clone())),
        ("deployed", deployed),
        ("system", Some(details.system.pretty_name.clone())),
        ("revision", Some(revision(details))),
        ("kernel", details.kernel.clone()),
        ("size", Some(mebibytes(details.size))),
        ("exclusive", Some(mebibytes(details.exclusive))),
        ("root", shown.root.clone()),
        ("arguments", shown.kernel_args.clone()),
        ("/etc from", shown.merged_from.clone()),
        ("incomplete", details.version.missing.clone()),
        ("trial", details.version.trial.clone()),
    ];
    rows.extend(details.conflicts.iter().map(|path| ("conflict", Some(path.to_string()))));
    let problems = shown.problems.iter().chain(&details.faults);
    rows.extend(problems.map(|problem| ("problem", Some(problem.clone()))));
    let given = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.filter(|(_, value)| !value.is_empty()).map(|(name, value)| vec![name.to_owned(), value]).collect()
}
