//! Definitions repositories, made for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::extensions;
use crate::programs::{self, Done};

/// A definitions repository in a temporary folder, with a folder of artifacts and one of installed extensions.
pub struct Definitions {
    place: TempDir,
}

/// A system that every repository made here has, and whose artifact is there.
const SYSTEM: &str = "name: base\nkind: system\nconfiguration-extensions: []\n";

impl Definitions {
    /// A repository with the system `systems/base.morph`, and its artifact.
    pub fn new() -> Self {
        let definitions = Definitions { place: tempfile::tempdir().expect("a temporary directory") };
        for folder in ["repository/.git", "installed", "tmp"] {
            fs::create_dir_all(definitions.place.path().join(folder)).expect("a folder");
        }
        definitions.write("systems/base.morph", SYSTEM);
        definitions.write("artifacts/base/etc/os-release", "ID=base\n");
        definitions
    }

    /// A repository whose installed extensions are this project's own.
    pub fn with_extensions() -> Self {
        let definitions = Definitions::new();
        extensions::install(&definitions.installed());
        definitions
    }

    /// The example, as somebody would copy it, with this project's extensions installed.
    pub fn example() -> Self {
        let definitions = Definitions::with_extensions();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions/.");
        copy(&source, &definitions.root());
        definitions
    }

    /// Makes this tree the artifact of the system of this name.
    pub fn put_artifact(&self, name: &str, tree: &Path) {
        let artifact = self.path("artifacts").join(name);
        fs::create_dir_all(&artifact).expect("a folder");
        copy(&tree.join("."), &artifact);
    }

    /// The repository's folder.
    pub fn root(&self) -> PathBuf {
        self.place.path().join("repository")
    }

    /// A path in the repository.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The folder of installed extensions.
    pub fn installed(&self) -> PathBuf {
        self.place.path().join("installed")
    }

    /// The folder of temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.place.path().join("tmp")
    }

    /// Writes a file of the repository.
    pub fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text, 0o644);
    }

    /// Reads a file of the repository.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a shell script of the repository.
    pub fn script(&self, name: &str, text: &str) {
        write(&self.path(name), &format!("#!/bin/sh\nset -eu\n{text}\n"), 0o755);
    }

    /// Writes a shell script among the installed extensions.
    pub fn installed_script(&self, name: &str, text: &str) {
        write(&self.installed().join(name), &format!("#!/bin/sh\nset -eu\n{text}\n"), 0o755);
    }

    /// Writes `clusters/c.morph`, whose only system is the base, with these deployments: YAML, one a line.
    pub fn cluster(&self, deployments: &[&str]) {
        let lines: Vec<String> = deployments.iter().map(|line| format!("    {line}")).collect();
        self.write(
            "clusters/c.morph",
            &format!(
                "kind: cluster\nsystems:\n- morph: systems/base.morph\n  deploy:\n{}\n",
                lines.join("\n")
            ),
        );
    }

    /// The command `morph` with these arguments, in the repository, in an environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::path("morph"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", self.temporary())
            .env("MORPH_EXTENSIONS", self.installed())
            .stdin(Stdio::null());
        command
    }

    /// Runs `morph` with these arguments.
    pub fn morph(&self, arguments: &[&str]) -> Done {
        programs::run(&mut self.command(arguments))
    }

    /// Runs `morph` with these arguments, which has to succeed.
    pub fn done(&self, arguments: &[&str]) {
        let _done = self.morph(arguments).succeeded();
    }

    /// What is left in the folder of temporary files.
    pub fn left_over(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary()).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

impl Default for Definitions {
    fn default() -> Self {
        Definitions::new()
    }
}

fn copy(from: &Path, to: &Path) {
    programs::run(Command::new("cp").arg("-a").args([from, to])).ok();
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    // What is there may be a link to a program of the project.
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path).expect("removed");
    }
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}
