//! `list`: lists the versions.

use anyhow::Result;
use baserock::boot::trial::Outcome;
use baserock::etc::left::named;
use baserock::json;
use baserock::volume::{LateChanges, Version, Volume};
use baserock_terminal::print;

/// List the versions: LABEL, then (running), then (default), if they apply
///
/// There is one line for each version, sorted by label. Incomplete versions are named only on standard error, and with --json. If /etc of the
/// running version has changed since it was merged into the default, that is said on standard error, and with --json.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Print a JSON array with all versions, complete or not
    #[arg(long)]
    json: bool,
}

impl List {
    /// Prints the versions of the volume.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let mut versions = volume.versions()?;
        for version in versions.iter_mut().filter(|version| version.default && !version.running) {
            match volume.late_changes(&version.label) {
                Ok(None) => {}
                Ok(Some(late)) => {
                    eprintln!("{}", changed_since(version, &late));
                    version.changed_since = Some(late.old);
                }
                // A record that cannot be read must not hide the versions.
                Err(error) => eprintln!("{}: {error}", version.label),
            }
        }
        mark_trials(volume, &mut versions)?;
        if self.json {
            return print(&json::array(&versions)?);
        }
        for version in &versions {
            if let Some(missing) = &version.missing {
                eprintln!("{} is not complete: {missing}", version.label);
            }
        }
        let complete = versions.iter().filter(|version| version.is_complete());
        print(&complete.map(line).collect::<String>())
    }
}

/// Says how trials stand, on standard error and in the versions.
fn mark_trials(volume: &Volume, versions: &mut [Version]) -> Result<()> {
    if let Some(fault) = volume.trial_fault()? {
        eprintln!("{fault}");
    }
    let trial = volume.trial()?;
    for version in versions {
        let words = match &trial {
            Some((trial, state)) if trial.label == version.label => state.to_string(),
            // A record that cannot be read must not hide the versions.
            _ => match volume.trial_outcome(&version.label) {
                Ok(Some(Outcome { confirmed: false, why, .. })) => format!("came back: {why}"),
                Ok(_) => continue,
                Err(error) => error.to_string(),
            },
        };
        if version.is_complete() {
            eprintln!("trial of {}: {words}", version.label);
        }
        version.trial = Some(words);
    }
    Ok(())
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
