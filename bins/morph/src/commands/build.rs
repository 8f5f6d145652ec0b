use std::path::PathBuf;

use anyhow::Result;
use baserock::extension::Environment;
use clap::Args;

use crate::builder::{Builder, Outcome};
use crate::output::Lines;
use crate::repository::Repository;
use crate::settings::Places;

/// Make the artifacts of systems, with the build extensions that their definitions name
///
/// A system is built again only where its definition, its build extension, or a file has changed that its `build` names: in `inputs`, or as the value of a parameter. The artifact before is kept, as `.morph/previous/NAME` in the
/// folder of artifacts.
#[derive(Debug, Args)]
pub struct Build {
    /// System definitions, relative to the current folder or the repository; `.morph` may be left out
    #[arg(required = true, value_name = "SYSTEM")]
    systems: Vec<PathBuf>,
}

impl Build {
    /// Builds in the order given; the first failure ends it.
    pub fn run(self, places: &Places, environment: Environment) -> Result<()> {
        let repository = Repository::current()?;
        let builder = Builder {
            artifacts: places.artifacts(&repository, &environment)?,
            extensions: places.extensions(&repository, &environment)?,
            repository,
            environment,
            verbose: places.verbose,
        };
        for system in &self.systems {
            let path = builder.repository.system(system)?;
            let (name, outcome) = builder.build(&path)?;
            Lines::of(&name, false).say(match outcome {
                Outcome::Built => "built",
                Outcome::UpToDate => "up to date",
            });
        }
        Ok(())
    }
}
