//! Makes artifacts: runs the build extension of a system if the inputs of the build have changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baserock::extension::Environment;
use system::dir::Dir;
use system::lock::Patience;
use system::{Error, Result, atomic, folder};

use crate::artifacts::{Artifacts, RECORDS};
use crate::definition::{Build, Definition};
use crate::extensions::{Extensions, Kind};
use crate::inputs;
use crate::output::Lines;
use crate::record::Record;
use crate::repository::Repository;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Makes the artifacts of one run.
#[derive(Debug)]
pub struct Builder {
    /// The definitions.
    pub repository: Repository,
    /// The artifacts.
    pub artifacts: Artifacts,
    /// The extensions.
    pub extensions: Extensions,
    /// The environment of the process.
    pub environment: Environment,
    /// Whether the logs of extensions are shown.
    pub verbose: bool,
}

/// The folder among the records that holds the artifacts that were replaced last.
pub const PREVIOUS: &str = "previous";

/// The name of the tree in the workspace.
const TREE: &str = "tree";

/// The outcome of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No input has changed.
    UpToDate,
    /// There is a new artifact. The one before is kept.
    Built,
}

impl Builder {
    /// Makes the artifact of the system with this definition; `again` makes it although no input has changed. A build that fails leaves the
    /// artifact as it was.
    pub fn build(&self, path: &Path, again: bool) -> Result<(String, Outcome)> {
        let definition = self.repository.definition(path)?;
        let build = definition.build.as_ref().ok_or_else(|| no_build(path, &definition, &self.artifacts))?;
        let extension = self.extensions.find(&build.extension, Kind::Build)?;
        let records = self.artifacts.records()?;
        let _held = self.artifacts.hold(&definition.name, Patience::Wait)?;
        self.artifacts.refuse_archive(&definition.name)?;
        let record = record(path, build, &extension, &self.repository)?;
        let known = Record::read(&records, &definition.name)?;
        let is_known =
            known.as_ref() == Some(&record) && self.artifacts.folder().join(&definition.name).is_dir();
        if is_known && !again {
            return Ok((definition.name, Outcome::UpToDate));
        }
        self.run(&definition.name, build, &extension, &records)?;
        record.write(&records, &definition.name)?;
        Ok((definition.name, Outcome::Built))
    }

    fn run(&self, name: &str, build: &Build, extension: &Path, records: &Path) -> Result<()> {
        let workspace = Workspace::create(records)?;
        let tree = workspace.folder(TREE, 0o755)?;
        let runner = Runner {
            repository: self.repository.root(),
            environment: &self.environment,
            parameters: &build.parameters,
            workspace: &workspace,
            lines: Lines::of(name, self.verbose),
        };
        runner.run(extension, &[tree.as_os_str()])?;
        if Dir::open(&tree)?.entries()?.is_empty() {
            return Err(Error::refused(format!("{} made nothing", extension.display())));
        }
        self.name_reach(name);
        // An artifact with a record counts as complete.
        folder::sync(&tree)?;
        Record::forget(records, name)?;
        publish(&tree, &Dir::open(self.artifacts.folder())?, name, records)
    }
    /// Says so if all users of this machine reach the artifacts, and with them programs that run as root.
    fn name_reach(&self, name: &str) {
        let folder = self.artifacts.folder();
        let mode = fs::metadata(folder).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o001 != 0 {
            Lines::of(name, false).complain(&format!(
                "note: every user reaches {0}, and can run the programs of artifacts in it; run chmod 700 {0}",
                folder.display()
            ));
        }
    }
}

/// Whether the artifact of this definition was built here, and its inputs have changed since.
pub fn is_stale(
    path: &Path,
    definition: &Definition,
    repository: &Repository,
    extensions: &Extensions,
    artifacts: &Artifacts,
) -> Result<bool> {
    let known = Record::read(&artifacts.folder().join(RECORDS), &definition.name)?;
    let (Some(build), Some(known)) = (&definition.build, known) else { return Ok(false) };
    let extension = extensions.find(&build.extension, Kind::Build)?;
    Ok(known != record(path, build, &extension, repository)?)
}

/// The record of an artifact that is built from the definition `path` now.
fn record(path: &Path, build: &Build, extension: &Path, repository: &Repository) -> Result<Record> {
    let file = repository.definition_file(path)?;
    Ok(Record {
        inputs: inputs::digest(build, extension, repository)?,
        repository: repository.root().to_owned(),
        definition: file.strip_prefix(repository.root()).unwrap_or(path).to_owned(),
    })
}

/// Puts the tree in the place of the artifact in one step. The artifact before is kept.
fn publish(tree: &Path, artifacts: &Dir, name: &str, records: &Path) -> Result<()> {
    let workspace = Dir::open(tree.parent().unwrap_or(records))?;
    if !artifacts.has(name)? {
        return atomic::rename_no_replace(&workspace, TREE, artifacts, name);
    }
    atomic::exchange(&workspace, TREE, artifacts, name)?;
    let previous = Dir::open(records)?.ensure_dir(PREVIOUS, 0o755)?;
    previous.remove_tree(name)?;
    atomic::rename_no_replace(&workspace, TREE, &previous, name)
}

fn no_build(path: &Path, definition: &Definition, artifacts: &Artifacts) -> Error {
    Error::refused(format!(
        "{} has no build extension; give it `build: {{type: …}}`, or put {}.tar into {}",
        path.display(),
        definition.name,
        artifacts.folder().display()
    ))
}
