//! Repositories with the two versions of the small trees, and disks that fetch from them.

use std::fs;
use std::ops::Deref;
use std::process::Command;

use tempfile::TempDir;

use crate::image::Image;
use crate::inputs;
use crate::programs::{Done, command, run};
use crate::publisher::Publisher;
use crate::trees::Trees;
use crate::version;

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

    /// Verifies a version with the keys of the publisher.
    pub fn verify(&self, disk: &Image, label: &str) -> Done {
        let mut verify = command("system-version-manager");
        verify.arg("--volume").arg(disk.path()).args(["verify", label]);
        run(verify.env("BASEROCK_ALLOWED_SIGNERS", self.signers()))
    }

    /// Runs the program on a disk where `/etc/baserock/upgrade.toml` says this.
    pub fn fetch_with_settings(&self, disk: &Image, settings: &str, arguments: &[&str]) -> Done {
        let mut inside = self.within_etc(disk, settings);
        run(inside.args(arguments).env("BASEROCK_ALLOWED_SIGNERS", self.signers()))
    }

    /// The same with the keys of `/etc`. What is written there goes to the folder `upper`.
    pub fn fetch_with_own_keys(&self, disk: &Image, settings: &str, arguments: &[&str]) -> Done {
        run(self.within_etc(disk, settings).args(arguments).env_remove("BASEROCK_ALLOWED_SIGNERS"))
    }

    /// The program with `/etc` as a layer over the machine's.
    fn within_etc(&self, disk: &Image, settings: &str) -> Command {
        let etc = self.beside("etc");
        for folder in ["etc/baserock", "upper", "work"] {
            fs::create_dir_all(self.beside(folder)).expect("a folder");
        }
        fs::write(etc.join("baserock/upgrade.toml"), settings).expect("the settings");
        let script = "mount -t overlay overlay -o lowerdir=\"$0\":/etc,upperdir=\"$1\",workdir=\"$2\" /etc && shift 2 && exec \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-ec", script]).arg(etc);
        inside.args([self.beside("upper"), self.beside("work")]);
        inside.arg(command("system-version-manager").get_program()).arg("--volume").arg(disk.path());
        inside
    }
}
