//! The collection for Ansible, laid out where Ansible finds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::extensions;
use crate::programs::{Done, run, shell};

/// The cluster file of its machines, beside it.
const CLUSTER: &str = "fleet.morph";

/// A copy of the collection, in a folder that is gone with this value.
pub struct Collection {
    place: TempDir,
}

impl Collection {
    /// Copies it.
    pub fn new() -> Self {
        let collection = Collection { place: tempfile::tempdir().expect("a temporary directory") };
        let path = collection.path();
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../ansible");
        shell("cp", &["-a", source, path.to_str().expect("a path that is text")]);
        collection
    }

    /// The folder for what belongs to it.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Its own folder.
    pub fn path(&self) -> PathBuf {
        self.place().join("ansible_collections/baserock/system")
    }

    /// Writes a cluster file with these machines, and puts the extensions there that push to them.
    pub fn has_machines(&self, names: &[&str]) {
        fs::create_dir(self.extensions()).expect("a folder");
        extensions::install(&self.extensions());
        let deployment = |name: &&str| format!("    {name}: {{location: root@{name}, HOSTNAME: {name}}}");
        let deploy = names.iter().map(deployment).collect::<Vec<_>>().join("\n");
        let cluster = format!(
            "kind: cluster\nsystems:\n- morph: systems/server.morph\n  deploy-defaults: {{type: extensions/ssh-rsync}}\n  deploy:\n{deploy}"
        );
        fs::write(self.place().join(CLUSTER), cluster).expect("a cluster file");
    }

    fn extensions(&self) -> PathBuf {
        self.place().join("extensions")
    }

    /// Runs a playbook on these machines, with these options and variables.
    pub fn play(&self, client: &Client, options: &[&str], playbook: &str, variables: &Value) -> Done {
        let mut play = self.command("ansible-playbook");
        play.args(options).arg("-i").arg(self.place().join(CLUSTER)).arg(playbook);
        play.args(["-e", &variables.to_string()]);
        let folders = [client.programs(), self.extensions(), "/usr/bin".into(), "/bin".into()];
        client.own(&mut play).env("PATH", std::env::join_paths(folders).expect("folders"));
        play.env("ANSIBLE_PIPELINING", "1").env("ANSIBLE_SSH_ARGS", "");
        play.env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3");
        run(&mut play)
    }

    /// The files in it that end so.
    pub fn files(&self, end: &str) -> Vec<String> {
        let found = shell("find", &[self.path().to_str().expect("text"), "-name", &format!("*{end}")]);
        let inside = |path: &str| {
            let inside = Path::new(path).strip_prefix(self.path()).expect("a path in it");
            inside.to_str().expect("text").to_owned()
        };
        let mut files: Vec<String> = found.lines().map(inside).collect();
        files.sort();
        files
    }

    /// A program of Debian in its folder, to which there is no other collection.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("/usr/bin/{program}"));
        command
            .current_dir(self.path())
            // Another Python may come first for whoever runs the tests.
            .env("PATH", "/usr/bin:/bin")
            .env("ANSIBLE_COLLECTIONS_PATH", self.place())
            .env("ANSIBLE_INVENTORY_ENABLED", "baserock.system.cluster")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("HOME", self.place())
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", self.place());
        command
    }
}

impl Default for Collection {
    fn default() -> Self {
        Collection::new()
    }
}
