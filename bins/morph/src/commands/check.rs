use std::num::NonZeroUsize;

use anyhow::Result;
use baserock::extension::Environment;
use clap::Args;

use super::selection::Selection;
use crate::deployer::Deployer;
use crate::settings::{self, Places};
use crate::together;

/// Check that the deployments of a cluster file can be made, and change nothing
///
/// Parses everything, finds every extension, and runs the checks of the extensions. A deployment whose artifact is not built yet is named, and
/// is not called ready.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    selection: Selection,
    /// Check for an upgrade
    #[arg(long)]
    upgrade: bool,
}

impl Check {
    /// Runs the checks.
    pub fn run(self, places: &Places, environment: Environment) -> Result<()> {
        let (repository, prepared) = self.selection.prepare(self.upgrade, None, places, &environment)?;
        let artifacts = places.artifacts(&repository, &environment)?;
        let temporary = settings::temporary(&environment).unwrap_or_else(std::env::temp_dir);
        let deployer = Deployer { repository, artifacts, environment, temporary, verbose: places.verbose };
        together::run(&prepared, NonZeroUsize::MIN, |prepared| {
            deployer.check(prepared)?;
            let missing = prepared.all().into_iter().find_map(|one| one.artifact(&deployer.artifacts).err());
            Ok(missing.map_or_else(
                || "ready".to_owned(),
                |error| format!("checked; it cannot be deployed yet: {error}"),
            ))
        })
    }
}
