use std::path::PathBuf;

use anyhow::Result;
use baserock::extension::Environment;
use baserock_terminal::completion;
use clap::Args;

use crate::builder::{Builder, Outcome};
use crate::output::Lines;
use crate::repository::Repository;
use crate::settings::Places;

/// Make the artifacts of systems with the build extensions in their definitions
///
/// A system is built again only if its `build`, its build extension, or a file that its `build` names has changed. `build` names files
/// in `inputs` and as values of parameters. The artifact before is kept as `.morph/previous/NAME` in the folder of artifacts.
#[derive(Debug, Args)]
pub struct Build {
    /// System definitions, relative to the current folder or the repository; `.morph` may be left out
    #[arg(required = true, value_name = "SYSTEM", add = completion::files("morph"))]
    systems: Vec<PathBuf>,
    /// Build again although nothing has changed, with the packages and downloads that are newest now
    #[arg(long, visible_alias = "pull")]
    force: bool,
}

impl Build {
    /// Builds the systems in this order, up to the first failure.
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
            let (name, outcome) = builder.build(&path, self.force)?;
            Lines::of(&name, false).say(match outcome {
                Outcome::Built => "built",
                Outcome::UpToDate => "up to date",
            });
        }
        Ok(())
    }
}
