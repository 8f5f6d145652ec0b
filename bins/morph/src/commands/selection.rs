use std::path::{Path, PathBuf};

use anyhow::Result;
use baserock::extension::Environment;
use baserock_terminal::completion;
use clap::Args;

use crate::plan::{Mode, plan};
use crate::prepared::Prepared;
use crate::repository::Repository;
use crate::request::Request;
use crate::settings::Places;

/// The deployments that were named on the command line.
#[derive(Debug, Args)]
pub struct Selection {
    /// The cluster file
    #[arg(add = completion::files("morph"))]
    cluster: PathBuf,
    /// Deployments to make (default: all), and parameters for them
    #[arg(value_name = "DEPLOYMENT|DEPLOYMENT.KEY=VALUE", add = completion::offering(deployments))]
    arguments: Vec<String>,
}

/// The deployments of the cluster files among the typed words.
fn deployments() -> Vec<String> {
    let clusters =
        completion::words().into_iter().filter_map(|word| Repository::cluster(Path::new(&word)).ok());
    let systems = clusters.flat_map(|cluster| cluster.systems);
    systems.flat_map(|system| system.names().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

impl Selection {
    /// Parses everything and finds every extension; `system` replaces the system of the cluster file.
    pub fn prepare(
        &self,
        upgrade: bool,
        system: Option<&Path>,
        places: &Places,
        environment: &Environment,
    ) -> Result<(Repository, Vec<Prepared>)> {
        let request = Request::parse(&self.arguments)?;
        let repository = Repository::above(&self.cluster)?;
        let cluster = Repository::cluster(&self.cluster)?;
        let system = system.map(|system| repository.system(system)).transpose()?;
        let mode = Mode { upgrade, system: system.as_deref(), environment: Some(environment) };
        let extensions = places.extensions(&repository, environment)?;
        let prepared = plan(&cluster, &request, &mode)?
            .into_iter()
            .map(|deployment| Prepared::find(deployment, &repository, &extensions))
            .collect::<system::Result<_>>()?;
        Ok((repository, prepared))
    }
}
