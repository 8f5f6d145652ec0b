//! The revision of the definitions, which versions are said to be made from.

use baserock::extension::Environment;
use system::process::Program;
use system::{Error, Result};

use crate::prepared::Prepared;
use crate::repository::Repository;

/// The parameter with the revision.
const PARAMETER: &str = "VERSION_REVISION";

/// Gives the revision of the repository, as `git describe` names it, to the deployments that have none. Nothing is done if git does not keep the
/// repository.
pub fn give(prepared: &mut [Prepared], repository: &Repository, environment: &Environment) -> Result<()> {
    let lacks = |prepared: &Prepared| prepared.deployment.parameters.get(PARAMETER).is_none();
    if !repository.is_kept_by_git() || environment.text(PARAMETER)?.is_some() || !prepared.iter().any(lacks) {
        return Ok(());
    }
    let revision = revision(repository)?;
    for prepared in prepared.iter_mut().filter(|prepared| lacks(prepared)) {
        prepared.deployment.parameters.set(PARAMETER, &revision);
    }
    Ok(())
}

/// `v1.2-3-g0123456789ab`, or `0123456789ab` where there is no tag; with `-dirty` if files have changed since.
fn revision(repository: &Repository) -> Result<String> {
    // Root may deploy from somebody's repository. Its extensions are run in any case.
    let git =
        Program::new("git").package("git").args(["-c", "safe.directory=*", "-C"]).arg(repository.root());
    let output = git.args(["describe", "--always", "--dirty", "--abbrev=12"]).run()?;
    let text = String::from_utf8(output.stdout).unwrap_or_default();
    match text.trim() {
        "" => Err(Error::refused("git does not name the revision")),
        revision => Ok(revision.to_owned()),
    }
}
