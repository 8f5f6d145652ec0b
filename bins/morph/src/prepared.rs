//! Deployments and all files that they need. The files are found before anything begins.

use std::path::PathBuf;

use system::Result;

use crate::artifacts::{Artifact, Artifacts};
use crate::definition::Definition;
use crate::extensions::{Extensions, Kind};
use crate::plan::Deployment;
use crate::repository::Repository;

/// A deployment, its system's definition, and the files of its extensions.
#[derive(Debug)]
pub struct Prepared {
    /// The deployment.
    pub deployment: Deployment,
    /// The system's definition.
    pub definition: Definition,
    /// The configuration extensions, in order.
    pub configure: Vec<PathBuf>,
    /// The check that belongs to the write extension.
    pub check: Option<PathBuf>,
    /// The write extension.
    pub write: PathBuf,
    /// The deployments that are made into its tree first.
    pub subsystems: Vec<Prepared>,
}

impl Prepared {
    /// Finds the definition and the extensions of a deployment.
    pub fn find(
        deployment: Deployment,
        repository: &Repository,
        extensions: &Extensions,
    ) -> Result<Prepared> {
        let definition = repository.definition(&deployment.definition)?;
        let names = &definition.configuration_extensions;
        let configure =
            names.iter().map(|name| extensions.find(name, Kind::Configure)).collect::<Result<_>>()?;
        let write = extensions.find(&deployment.extension, Kind::Write)?;
        let check = Extensions::beside(&write, Kind::Check)?;
        let (subsystems, deployment) = split(deployment);
        let subsystems = subsystems
            .into_iter()
            .map(|subsystem| Prepared::find(subsystem, repository, extensions))
            .collect::<Result<_>>()?;
        Ok(Prepared { deployment, definition, configure, check, write, subsystems })
    }

    /// The system's artifact.
    pub fn artifact(&self, artifacts: &Artifacts) -> Result<Artifact> {
        artifacts.find(&self.definition.name, &self.deployment.definition)
    }

    /// This deployment and those of its subsystems.
    pub fn all(&self) -> Vec<&Prepared> {
        std::iter::once(self).chain(self.subsystems.iter().flat_map(Prepared::all)).collect()
    }
}

fn split(mut deployment: Deployment) -> (Vec<Deployment>, Deployment) {
    (std::mem::take(&mut deployment.subsystems), deployment)
}
