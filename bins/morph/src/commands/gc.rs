use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use baserock::extension::Environment;
use clap::Args;
use system::dir::Dir;
use system::lock::Patience;

use crate::artifacts::Artifacts;
use crate::builder::PREVIOUS;
use crate::output::Lines;
use crate::record::Record;
use crate::repository::Repository;
use crate::settings::{self, Places};
use crate::workspace::Workspace;

/// Remove the artifacts that were built here and that no cluster file names any more
///
/// Artifacts that were put into the folder by hand stay, and so do those of other repositories. Leftovers of killed runs are removed.
#[derive(Debug, Args)]
pub struct Gc {
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Gc {
    /// Removes the artifacts, and shows their names.
    pub fn run(self, places: &Places, environment: &Environment) -> Result<()> {
        let repository = Repository::current()?;
        let artifacts = places.artifacts(&repository, environment)?;
        let wanted = wanted(&repository)?;
        let records = artifacts.records()?;
        for name in Record::names(&records)? {
            let ours =
                Record::read(&records, &name)?.is_some_and(|record| record.repository == repository.root());
            if ours && !wanted.contains(&name) {
                self.remove(&artifacts, &records, &name)?;
            }
        }
        if self.dry_run {
            return Ok(());
        }
        let temporary = settings::temporary(environment);
        for folder in [Some(records), temporary].into_iter().flatten() {
            for path in Workspace::remove_abandoned(&folder)? {
                Lines::of(&path.display().to_string(), false).say("removed");
            }
        }
        Ok(())
    }

    fn remove(&self, artifacts: &Artifacts, records: &Path, name: &str) -> Result<()> {
        let lines = Lines::of(name, false);
        if self.dry_run {
            lines.say("would be removed");
            return Ok(());
        }
        let _held = artifacts.hold(name, Patience::Refuse)?;
        Dir::open(artifacts.folder())?.remove_tree(name)?;
        let folder = Dir::open(records)?;
        if let Some(previous) = folder.dir_if_exists(PREVIOUS)? {
            previous.remove_tree(name)?;
        }
        folder.remove_tree(format!("{name}.lock"))?;
        Record::forget(records, name)?;
        lines.say("removed");
        Ok(())
    }
}

/// The names of all systems in the cluster files of the repository.
fn wanted(repository: &Repository) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for cluster in repository.clusters()? {
        for definition in cluster.systems.iter().flat_map(|system| system.definitions()) {
            names.insert(repository.definition(definition)?.name);
        }
    }
    Ok(names)
}
