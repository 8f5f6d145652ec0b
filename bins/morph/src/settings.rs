//! The folders that are used: from the command line, else the environment, else the usual places.

use std::path::{Path, PathBuf};

use baserock::extension::Environment;
use clap::Args;
use system::Result;
use system::error::OrCannot;

use crate::artifacts::Artifacts;
use crate::extensions::Extensions;
use crate::repository::Repository;

/// The options of every command.
#[derive(Debug, Args)]
pub struct Places {
    #[arg(long, global = true, value_name = "DIR", help = ARTIFACTS_HELP)]
    artifacts: Option<PathBuf>,
    #[arg(long, global = true, value_name = "DIR", help = EXTENSIONS_HELP)]
    extensions: Option<PathBuf>,
    /// Show the logs of extensions too
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

const ARTIFACTS_HELP: &str =
    "Folder of the root filesystems [default: $MORPH_ARTIFACTS, else artifacts/ in the repository]";

const EXTENSIONS_HELP: &str = "Folder of the installed extensions [default: $MORPH_EXTENSIONS, else \
                               ../lib/baserock/extensions beside this program]";

/// The folder of installed extensions, relative to the folder that contains `bin`.
const INSTALLED: &str = "lib/baserock/extensions";

impl Places {
    /// The artifacts for a repository.
    pub fn artifacts(&self, repository: &Repository, environment: &Environment) -> Result<Artifacts> {
        let given = self.artifacts.clone().or_else(|| variable(environment, "MORPH_ARTIFACTS"));
        let folder = given.unwrap_or_else(|| repository.root().join("artifacts"));
        Ok(Artifacts::new(absolute(&folder)?))
    }

    /// The extensions of a repository, and the installed ones.
    pub fn extensions(&self, repository: &Repository, environment: &Environment) -> Result<Extensions> {
        let given = self.extensions.clone().or_else(|| variable(environment, "MORPH_EXTENSIONS"));
        let installed = given.or_else(beside_program).unwrap_or_else(|| Path::new("/usr").join(INSTALLED));
        Ok(Extensions::new(repository.clone(), absolute(&installed)?))
    }
}

/// The folder in `TMPDIR`.
pub fn temporary(environment: &Environment) -> Option<PathBuf> {
    variable(environment, "TMPDIR")
}

fn variable(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.raw(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn beside_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?.parent()?.join(INSTALLED);
    folder.is_dir().then_some(folder)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).or_cannot("find", path)
}
