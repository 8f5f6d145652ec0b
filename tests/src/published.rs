//! Repositories with the two versions of the small trees, and disks that fetch from them.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::image::Image;
use crate::inputs;
use crate::programs::{Done, command, run, shell};
use crate::trees::Trees;
use crate::version;

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

/// A publisher with trees, in a folder that is gone with this value.
pub struct Published {
    publisher: Publisher,
    _place: TempDir,
    /// The trees of its versions, `v1` and `v2`.
    pub trees: Trees,
}

impl Default for Published {
    fn default() -> Self {
        Published::new()
    }
}

impl Deref for Published {
    type Target = Publisher;

    fn deref(&self) -> &Publisher {
        &self.publisher
    }
}

impl Published {
    /// One with an empty repository.
    pub fn new() -> Self {
        let place = TempDir::new_in(inputs::folder()).expect("a folder beside the inputs");
        Published { publisher: Publisher::new(place.path().to_owned()), _place: place, trees: Trees::new() }
    }

    /// One with both versions; the channel `stable` offers the second.
    pub fn both() -> Self {
        let published = Published::new();
        published.add(&published.trees.first(), "v1", &[]).ok();
        published.add(&published.trees.second(), "v2", &[]).ok();
        published
    }

    /// A disk whose only version is the first tree.
    pub fn disk(&self) -> Image {
        let image = Image::to_be();
        version::write(&self.trees.first(), &image.path(), 512).ok();
        image
    }

    /// Fetches to a disk, from the repository at this place.
    pub fn fetch(&self, disk: &Image, from: &str, more: &[&str]) -> Done {
        run(&mut self.fetching(&disk.path(), from, more))
    }

    /// Runs the program on a disk where `/etc/baserock/upgrade.toml` says this.
    pub fn fetch_with_settings(&self, disk: &Image, settings: &str, arguments: &[&str]) -> Done {
        let etc = self.beside("etc");
        fs::create_dir_all(etc.join("baserock")).expect("a folder");
        fs::write(etc.join("baserock/upgrade.toml"), settings).expect("the settings");
        let script = "mount -t overlay overlay -o lowerdir=\"$0\":/etc /etc && exec \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-ec", script]).arg(etc);
        inside.arg(command("system-version-manager").get_program()).arg("--volume").arg(disk.path());
        run(inside.args(arguments).env("BASEROCK_ALLOWED_SIGNERS", self.signers()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
