use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use baserock::extension::Environment;
use baserock_terminal::completion;
use clap::Args;
use system::Error;

use super::selection::Selection;
use crate::builder;
use crate::deployer::Deployer;
use crate::output::Lines;
use crate::prepared::Prepared;
use crate::revision;
use crate::settings::{self, Places};
use crate::together;

/// Make the deployments of a cluster file
///
/// Parameters come from `deploy-defaults`, then the deployment, then the environment, then DEPLOYMENT.KEY=VALUE; the last one counts.
/// Extensions run in the folder of the definitions repository, so relative locations are relative to that folder. Artifacts are never
/// modified.
#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    options: DeployOptions,
    /// Upgrade systems that are deployed already, as `morph upgrade` does
    #[arg(long)]
    upgrade: bool,
}

/// Upgrade systems that are deployed already, as a cluster file says
///
/// The same as `morph deploy` with UPGRADE=yes. If a deployment has `upgrade-type` and `upgrade-location`, these are used.
#[derive(Debug, Args)]
pub struct Upgrade {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    options: DeployOptions,
}

#[derive(Debug, Args)]
struct DeployOptions {
    /// Make up to N deployments at once
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,
    /// Deploy this system definition in place of the cluster's
    #[arg(long, value_name = "SYSTEM", add = completion::files("morph"))]
    system: Option<PathBuf>,
}

impl Deploy {
    /// Makes the deployments.
    pub fn run(self, places: &Places, environment: Environment) -> Result<()> {
        deploy(&self.selection, &self.options, self.upgrade, places, environment)
    }
}

impl Upgrade {
    /// Makes the deployments, as upgrades.
    pub fn run(self, places: &Places, environment: Environment) -> Result<()> {
        deploy(&self.selection, &self.options, true, places, environment)
    }
}

fn deploy(
    selection: &Selection,
    options: &DeployOptions,
    upgrade: bool,
    places: &Places,
    environment: Environment,
) -> Result<()> {
    let (repository, mut prepared) =
        selection.prepare(upgrade, options.system.as_deref(), places, &environment)?;
    if let Err(error) = revision::give(&mut prepared, &repository, &environment) {
        Lines::of("morph", false)
            .complain(&format!("note: the versions do not say from which revision they are: {error}"));
    }
    let artifacts = places.artifacts(&repository, &environment)?;
    let extensions = places.extensions(&repository, &environment)?;
    for prepared in prepared.iter().flat_map(Prepared::all) {
        prepared.artifact(&artifacts)?;
        let file = &prepared.deployment.definition;
        if builder::is_stale(file, &prepared.definition, &repository, &extensions, &artifacts)? {
            Lines::of(&prepared.deployment.name, false).complain(&format!(
                "note: what {0} is built from has changed since; morph build {0} brings it up to date",
                file.display()
            ));
        }
    }
    let temporary = match settings::temporary(&environment) {
        Some(folder) => folder,
        None => artifacts.records().map_err(|error| {
            Error::refused(format!("{error}; set TMPDIR to a folder with room for working copies"))
        })?,
    };
    let deployer = Deployer { repository, artifacts, environment, temporary, verbose: places.verbose };
    together::run(&prepared, options.jobs, |prepared| {
        deployer.deploy(prepared)?;
        Ok("deployed".to_owned())
    })
}
