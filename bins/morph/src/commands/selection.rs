use std::path::{Path, PathBuf};

use anyhow::Result;
use baserock::extension::Environment;
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
    cluster: PathBuf,
    /// Deployments to make (default: all), and parameters for them
    #[arg(value_name = "DEPLOYMENT|DEPLOYMENT.KEY=VALUE")]
    arguments: Vec<String>,
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
