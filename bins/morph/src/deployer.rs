//! Makes one deployment: copies the artifact, deploys subsystems into the copy, configures it, and writes it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use baserock::boot::parameters::NAMES;
use baserock::extension::Environment;
use baserock::json;
use baserock::meta::{self, DeploymentMeta};
use baserock::operations::status::Status;
use baserock_terminal::help;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result, if_exists};
use system::inode::is_link;
use system::lock::Patience;
use system::resolve::Links;
use system::{atomic, folder, signal};

use crate::artifacts::Artifacts;
use crate::extensions::{Extensions, Kind};
use crate::output::Lines;
use crate::parameters::Parameters;
use crate::prepared::Prepared;
use crate::repository::Repository;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Makes the deployments of one run.
#[derive(Debug)]
pub struct Deployer {
    /// The definitions.
    pub repository: Repository,
    /// The root filesystems.
    pub artifacts: Artifacts,
    /// The environment of the process.
    pub environment: Environment,
    /// The folder for working copies.
    pub temporary: PathBuf,
    /// Whether the logs of extensions are shown.
    pub verbose: bool,
}

/// What gets a system.
#[derive(Clone, Copy)]
enum Receiver {
    /// The user, at the location.
    User,
    /// The tree of the system that this one is a part of.
    Tree,
}

impl Deployer {
    /// Checks that the deployment can be made, and makes it. Working copies are removed.
    pub fn deploy(&self, prepared: &Prepared) -> Result<()> {
        let lines = self.lines(&prepared.deployment.name);
        self.name_overruled(prepared, lines);
        let workspace = Workspace::create(&self.temporary)?;
        let location = Path::new(&prepared.deployment.location);
        self.run_check(prepared, &workspace, location, lines)?;
        self.make(prepared, location, Receiver::User, lines)
    }

    /// Only checks that the deployment and its subsystems can be made.
    pub fn check(&self, prepared: &Prepared) -> Result<()> {
        let lines = self.lines(&prepared.deployment.name);
        self.name_overruled(prepared, lines);
        let workspace = Workspace::create(&self.temporary)?;
        self.run_check(prepared, &workspace, Path::new(&prepared.deployment.location), lines)?;
        for subsystem in prepared.all().into_iter().skip(1) {
            // An empty tree stands for the tree into which the subsystem will be deployed.
            let place = workspace.folder(TREE, 0o755)?.join(&subsystem.deployment.location);
            if let Some(folder) = place.parent() {
                folder::make(folder)?;
            }
            let lines = self.lines(&subsystem.deployment.name);
            self.run_check(subsystem, &workspace, &place, lines)?;
        }
        Ok(())
    }

    /// Asks how the place of the deployment stands.
    pub fn status(&self, prepared: &Prepared) -> Result<Status> {
        let status = Extensions::beside(&prepared.write, Kind::Status)?.ok_or_else(|| {
            Error::refused(format!("{} cannot say how its place stands", prepared.write.display()))
        })?;
        let workspace = Workspace::create(&self.temporary)?;
        let lines = self.lines(&prepared.deployment.name);
        let runner = self.runner(&prepared.deployment.parameters, &workspace, lines);
        let printed = runner.ask(&status, &[OsStr::new(&prepared.deployment.location)])?;
        json::read(printed.as_bytes()).map_err(|fault| Error::malformed(&status, fault.to_string()))
    }

    fn make(&self, prepared: &Prepared, location: &Path, receiver: Receiver, lines: Lines<'_>) -> Result<()> {
        let workspace = Workspace::create(&self.temporary)?;
        let tree = workspace.folder(TREE, 0o755)?;
        self.copy_artifact(prepared, &tree, lines)?;
        for name in write_meta(&tree, prepared)? {
            lines.complain(&format!(
                "note: {name} is not recorded in the system: its value has a URL with a password or a query, which may be a secret"
            ));
        }
        for subsystem in &prepared.subsystems {
            let place = place(&tree, &subsystem.deployment.location)?;
            let lines = self.lines(&subsystem.deployment.name);
            self.run_check(subsystem, &workspace, &place, lines)?;
            self.make(subsystem, &place, Receiver::Tree, lines)?;
        }
        let runner = self.runner(&prepared.deployment.parameters, &workspace, lines);
        for extension in &prepared.configure {
            runner.run(extension, &[tree.as_os_str()])?;
        }
        let arguments = [tree.as_os_str(), location.as_os_str()];
        match receiver {
            Receiver::User => runner.hand_over(&prepared.write, &arguments),
            Receiver::Tree => runner.run(&prepared.write, &arguments),
        }
    }

    fn copy_artifact(&self, prepared: &Prepared, tree: &Path, lines: Lines<'_>) -> Result<()> {
        signal::check()?;
        let artifact = prepared.artifact(&self.artifacts)?;
        lines.say(&format!("copying the artifact {}", artifact.path().display()));
        let held = self.artifacts.hold(&prepared.definition.name, Patience::Wait)?;
        let outcome = artifact.copy_to(tree);
        drop(held);
        outcome
    }

    fn run_check(
        &self,
        prepared: &Prepared,
        workspace: &Workspace,
        location: &Path,
        lines: Lines<'_>,
    ) -> Result<()> {
        let Some(check) = &prepared.check else { return Ok(()) };
        let arguments: [&OsStr; 1] = [location.as_os_str()];
        self.runner(&prepared.deployment.parameters, workspace, lines).run(check, &arguments)
    }

    fn runner<'a>(
        &'a self,
        parameters: &'a Parameters,
        workspace: &'a Workspace,
        lines: Lines<'a>,
    ) -> Runner<'a> {
        Runner {
            repository: self.repository.root(),
            environment: &self.environment,
            parameters,
            workspace,
            lines,
        }
    }

    fn name_overruled(&self, prepared: &Prepared, lines: Lines<'_>) {
        for name in &prepared.deployment.overruled {
            lines.complain(&format!(
                "note: {name} is set in the environment too; the environment's value is used"
            ));
        }
    }

    fn lines<'a>(&self, name: &'a str) -> Lines<'a> {
        Lines::of(name, self.verbose)
    }
}

/// The name of the tree in the workspace.
const TREE: &str = "tree";

/// Records in the tree the parameters of its deployment that the format names or an extension declares, without secrets. Returns the names of
/// those that only their values keep out.
fn write_meta(tree: &Path, prepared: &Prepared) -> Result<Vec<String>> {
    let mut declared: Vec<String> = NAMES.iter().chain(&meta::NAMES).map(|&name| name.to_owned()).collect();
    for extension in prepared.configure.iter().chain([&prepared.write]) {
        declared.extend(help::recorded(extension)?);
    }
    let parameters = prepared.deployment.parameters.iter();
    let named =
        parameters.filter(|(name, _)| declared.iter().any(|declared| declared == name) && !is_secret(name));
    let (kept_out, told): (Vec<_>, Vec<_>) = named.partition(|(_, value)| may_have_secret(value));
    let text = |value: &str| serde_json::Value::from(value);
    let meta = DeploymentMeta {
        configuration: told.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        other: [("system-artifact-name".to_owned(), text(&prepared.definition.name))].into(),
    };
    let (folder, name) = meta::PATH.rsplit_once('/').unwrap_or(("", meta::PATH));
    let folder = Dir::open(tree)?.ensure_dir(folder, 0o755)?;
    atomic::write(&folder, name, 0o600, &meta.render())?;
    Ok(kept_out.into_iter().map(|(name, _)| name.to_owned()).collect())
}

/// The place of a subsystem in the tree. Links on the way are followed as if the tree were booted, so that none leads out of it.
fn place(tree: &Path, location: &str) -> Result<PathBuf> {
    let root = Dir::open(tree)?;
    let location = Path::new(location);
    let refused = |why: &str| Error::refused(format!("the location {} {why}", location.display()));
    let name = location.file_name().ok_or_else(|| refused("names no file"))?;
    let (mut existing, mut missing) = (location.parent().unwrap_or(Path::new("")), PathBuf::new());
    let folder = loop {
        if existing.as_os_str().is_empty() {
            break root;
        }
        if let Some(folder) = if_exists(root.dir_with(existing, Links::InRoot))? {
            break folder;
        }
        missing = Path::new(existing.file_name().unwrap_or_default()).join(missing);
        existing = existing.parent().unwrap_or(Path::new(""));
    };
    let first = missing.components().next().map_or(name, |part| part.as_os_str());
    if folder.stat_of(first)?.is_some_and(|stat| is_link(&stat)) {
        return Err(refused("is a link in the system; name the place to which it leads"));
    }
    let real = fs::read_link(folder.proc_path()).or_cannot("find", folder.shown(""))?;
    Ok(real.join(missing).join(name))
}

/// Whether the name of a variable tells that its value is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "PASSPHRASE", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
        || ["_KEY", "APIKEY", "PSK"].iter().any(|end| name.ends_with(end))
}

/// Whether the value has a URL with a password, or with a query, which is often a key to a file.
fn may_have_secret(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let url = rest.split(char::is_whitespace).next().unwrap_or_default();
        let query = url.split_once('?').is_some_and(|(_, query)| !query.is_empty());
        let authority = rest.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
        query || authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_in_urls_and_names() {
        for secret in ["http://u:p@h/x", "x https://h y ftp://u:p@h", "s=http://h/x?token=1", "http://h?1 b"]
        {
            assert!(may_have_secret(secret), "{secret}");
        }
        for open in ["http://u@h:80/a:b@c", "root@host:/x", "really?", "http://h/x what?", "http://h/x?"] {
            assert!(!may_have_secret(open), "{open}");
        }
        assert!(is_secret("WIFI_PSK") && is_secret("Apikey") && is_secret("SSH_KEY") && !is_secret("KEYMAP"));
    }

    #[test]
    fn links_do_not_lead_a_subsystem_out_of_the_tree() {
        let (tree, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = tree.path().canonicalize().unwrap();
        fs::create_dir(root.join("usr")).unwrap();
        std::os::unix::fs::symlink("/usr", root.join("lib")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.join("boot")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x"), root.join("usr/x")).unwrap();
        assert_eq!(place(&root, "lib/a").unwrap(), root.join("usr/a"));
        assert_eq!(place(&root, "new/folder/a").unwrap(), root.join("new/folder/a"));
        for location in ["boot/a", "boot/b/a", "lib/x", "boot"] {
            let message = place(&root, location).unwrap_err().to_string();
            assert!(message.contains("is a link in the system"), "{location}: {message}");
        }
    }

    #[test]
    fn names_tell_secrets() {
        for name in ["ROOT_PASSWORD", "PASSWORD_HASH", "CLIENT_SECRET", "API_TOKEN", "SSH_HOST_KEY", "token"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["HOSTNAME", "KERNEL_ARGS", "SSHKEYS", "KEYMAP", "SSH_KEYS"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
