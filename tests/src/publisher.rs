//! Who publishes: a repository, and the keys that sign it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{Done, command, run, shell};

/// Who publishes: a folder with keys, and with a repository.
pub struct Publisher {
    place: PathBuf,
}

impl Publisher {
    /// One in this folder, with an empty repository and the key `own`, which is trusted.
    pub fn new(place: PathBuf) -> Self {
        let publisher = Publisher { place };
        publisher.key("own");
        publisher.trust(&["own"]);
        publisher
    }

    /// The folder of the repository.
    pub fn path(&self) -> PathBuf {
        self.place.join("repository")
    }

    /// A file beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Makes a key, and returns its path.
    pub fn key(&self, name: &str) -> PathBuf {
        let path = self.beside(name);
        shell("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", text(&path)]);
        path
    }

    /// From now on exactly these keys are trusted.
    pub fn trust(&self, keys: &[&str]) {
        let line = |key: &&str| {
            let public = fs::read_to_string(self.beside(&format!("{key}.pub"))).expect("a public key");
            format!("{key} namespaces=\"baserock-repository\" {public}")
        };
        fs::write(self.signers(), keys.iter().map(line).collect::<String>()).expect("the file of keys");
    }

    /// The file of trusted keys.
    pub fn signers(&self) -> PathBuf {
        self.beside("allowed_signers")
    }

    /// Publishes a tree, signed by the key `own`, in the channel `stable`.
    pub fn add(&self, tree: &Path, label: &str, more: &[&str]) -> Done {
        let own = self.beside("own");
        let arguments = ["--label", label, "--channel", "stable", "--key", text(&own)];
        let mut add = command("baserock-publish");
        run(add.arg("add").arg(self.path()).arg(tree).args(arguments).args(more))
    }

    /// Another command of the publisher.
    pub fn publish(&self, command_name: &str, more: &[&str]) -> Done {
        run(command("baserock-publish").arg(command_name).arg(self.path()).args(more))
    }

    /// The command that fetches to a disk, from the repository at this place, with these trusted keys.
    pub fn fetching(&self, disk: &Path, from: &str, more: &[&str]) -> Command {
        let mut fetch = command("system-version-manager");
        fetch.arg("--volume").arg(disk).args(["fetch", from]).args(more);
        fetch.env("BASEROCK_ALLOWED_SIGNERS", self.signers());
        fetch
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
