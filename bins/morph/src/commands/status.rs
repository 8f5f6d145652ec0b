use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::{Result, bail};
use baserock::etc::left::named;
use baserock::extension::Environment;
use baserock::json::{self, Format};
use baserock::operations::status::Status;
use baserock_terminal::{attention, print, table};
use clap::Args;
use serde::Serialize;
use system::{Error, signal};

use super::selection::Selection;
use crate::deployer::Deployer;
use crate::prepared::Prepared;
use crate::settings::{self, Places};
use crate::together;

/// Ask all machines of a cluster file at once how they stand: what runs, what boots next, conflicts, room, and what somebody should look at
///
/// Where a deployment has `upgrade-type` and `upgrade-location`, these are asked. The exit code is 0 if all is well, 3 if somebody should look at a
/// machine, and 1 if a machine does not answer.
#[derive(Debug, Args)]
pub struct ShowStatus {
    #[command(flatten)]
    selection: Selection,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Most machines that are asked at once.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);
/// The headings of the table.
const HEADINGS: [&str; 6] = ["DEPLOYMENT", "RUNNING", "NEXT", "CONFLICTS", "FREE", "ATTENTION"];

/// A deployment, and how its place stands or why that is not known.
#[derive(Serialize)]
struct Told {
    deployment: String,
    location: String,
    status: Option<Status>,
    error: Option<String>,
}

impl Format for Told {}

impl ShowStatus {
    /// Prints how they stand. Returns the exit code.
    pub fn run(self, places: &Places, environment: Environment) -> Result<ExitCode> {
        let (repository, prepared) = self.selection.prepare(true, None, places, &environment)?;
        let artifacts = places.artifacts(&repository, &environment)?;
        let temporary = settings::temporary(&environment).unwrap_or_else(std::env::temp_dir);
        let deployer = Deployer { repository, artifacts, environment, temporary, verbose: places.verbose };
        let outcomes = together::each(&prepared, MOST, |prepared| deployer.status(prepared));
        signal::check()?;
        let told: Vec<Told> =
            prepared.iter().zip(outcomes).map(|(prepared, outcome)| Told::of(prepared, outcome)).collect();
        if self.json {
            print(&json::array(&told)?)?;
        } else {
            print(&table(Some(&HEADINGS), &told.iter().map(Told::row).collect::<Vec<_>>()))?;
        }
        let silent: Vec<&str> =
            told.iter().filter(|told| told.error.is_some()).map(|told| told.deployment.as_str()).collect();
        if !silent.is_empty() {
            bail!(
                "{} of {} machines did not say how they stand: {}",
                silent.len(),
                told.len(),
                silent.join(", ")
            );
        }
        let is_well = |told: &Told| told.status.as_ref().is_some_and(|status| status.attention.is_empty());
        Ok(if told.iter().all(is_well) { ExitCode::SUCCESS } else { attention() })
    }
}

impl Told {
    fn of(prepared: &Prepared, outcome: Option<Result<Status, Error>>) -> Told {
        let (status, error) = match outcome {
            Some(Ok(status)) => (Some(status), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, Some("it was not asked".to_owned())),
        };
        let deployment = &prepared.deployment;
        Told { deployment: deployment.name.clone(), location: deployment.location.clone(), status, error }
    }

    fn row(&self) -> Vec<String> {
        let label = |label: &Option<baserock::ExistingLabel>| {
            label.as_ref().map_or(String::new(), ToString::to_string)
        };
        let Some(status) = &self.status else {
            let error = self.error.clone().unwrap_or_default();
            return [&[self.deployment.clone()][..], &vec![String::new(); HEADINGS.len() - 2], &[error]]
                .concat();
        };
        let conflicts = status
            .conflicts
            .iter()
            .map(|conflicts| format!("{}: {}", conflicts.label, named(&conflicts.paths)));
        let free = |space: baserock::operations::status::Space| {
            format!("{} of {} MiB", space.available >> 20, space.total >> 20)
        };
        vec![
            self.deployment.clone(),
            label(&status.running),
            label(&status.next),
            conflicts.collect::<Vec<_>>().join("; "),
            status.space.map(free).unwrap_or_default(),
            status.attention.join("; "),
        ]
    }
}
