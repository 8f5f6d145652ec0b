//! The operations, each with a small volume to do it to: for tests that let it fail everywhere, fill the disk under it, or watch it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::Image;
use crate::inputs;
use crate::programs::{command, run, shell};
use crate::version::{factory_image, manage, put_tree};

/// An operation and what it works on.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its name, for messages.
    pub name: &'static str,
    /// The volume before it.
    pub volume: fn() -> Image,
    /// Itself, on a copy of that volume.
    pub command: fn(&Path) -> Command,
    /// The versions that it is about.
    pub touched: &'static [&'static str],
    /// Of these, those that consist of `orig` alone before it, and after its undo.
    pub unfinished: &'static [&'static str],
    /// Whether it goes on where it stopped instead of going back: what is being removed cannot be used again.
    pub goes_on: bool,
    /// A version that may have been completed when it stopped, and is then chosen by `set-default`.
    pub chosen: Option<&'static str>,
}

fn tool(name: &str, image: &Path, arguments: &[&str]) -> Command {
    let mut tool = command(name);
    tool.arg("--volume").arg(image).args(arguments);
    tool
}

fn svm(image: &Path, arguments: &[&str]) -> Command {
    tool("system-version-manager", image, arguments)
}

/// A disk with a `/boot` of its own.
const PARTITIONS: &str = "partition_table_format: mbr\npartitions:\n\
                          - {size: 48M, filesystem: ext4, mountpoint: /boot}\n- {size: fill, filesystem: btrfs, mountpoint: /}\n";

fn with_tree() -> Image {
    tree_beside_factory(factory_image(256))
}

fn with_tree_and_boot() -> Image {
    let image = Image::to_be();
    let file = image.place().join("disk.yaml");
    fs::write(&file, PARTITIONS).expect("a partition file");
    let mut write = command("rawdisk-write");
    write.arg(inputs::busybox().expect("the small tree")).arg(image.path()).env("DISK_SIZE", "320M");
    write.env("BOOTLOADER_INSTALL", "none").env("USE_PARTITIONING", "yes").env("PARTITION_FILE", file);
    run(&mut write).ok();
    tree_beside_factory(image)
}

/// Puts `devel` beside `factory`, whose `/etc` and state the administrator has used.
fn tree_beside_factory(image: Image) -> Image {
    {
        let mounted = image.mount("subvolid=5");
        let top = mounted.path();
        fs::write(top.join("systems/factory/run/etc/hostname"), "mine\n").expect("the volume of a test");
        fs::write(top.join("systems/factory/run/etc/os-release"), "ID=mine\nVERSION_ID=1\n")
            .expect("the volume of a test");
        fs::write(top.join("state/var/lib/thing/state"), "used\n").expect("the volume of a test");
    }
    put_tree(&image, "devel", |orig| {
        fs::write(orig.join("boot/vmlinuz"), "another kernel\n").expect("the volume of a test");
        fs::write(orig.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").expect("the volume of a test");
        fs::write(orig.join("etc/group"), "root:x:0:\nnew:x:100:\nthing:x:101:\n")
            .expect("the volume of a test");
        fs::create_dir_all(orig.join("var/lib/other/deep")).expect("the volume of a test");
        fs::write(orig.join("var/lib/other/deep/file"), "shipped\n").expect("the volume of a test");
        fs::create_dir(orig.join("srv")).expect("the volume of a test");
        fs::write(orig.join("srv/thing"), "of the group that moves\n").expect("the volume of a test");
        shell("chgrp", &["101", orig.join("srv/thing").to_str().expect("the volume of a test")]);
    });
    image
}

fn with_devel() -> Image {
    let image = with_tree();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

fn with_devel_and_boot() -> Image {
    let image = with_tree_and_boot();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

fn with_devel_and_a_late_edit() -> Image {
    let image = with_devel();
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/late"), "late\n")
        .expect("the volume of a test");
    image
}

/// A tree to write to disks, beside the image: the small one, changed as the next version of it would be.
fn next_tree(image: &Path) -> PathBuf {
    let tree = image.parent().expect("the volume of a test").join("tree");
    if !tree.exists() {
        shell(
            "cp",
            &[
                "-a",
                inputs::busybox().expect("the volume of a test").to_str().expect("the volume of a test"),
                tree.to_str().expect("the volume of a test"),
            ],
        );
        fs::write(tree.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").expect("the volume of a test");
        fs::write(tree.join("boot/vmlinuz"), "another kernel\n").expect("the volume of a test");
        fs::remove_file(tree.join("root/.profile")).expect("the volume of a test");
    }
    tree
}

fn rawdisk(image: &Path, variables: &[(&str, &str)]) -> Command {
    let mut write = command("rawdisk-write");
    write.arg(next_tree(image)).arg(image).env("BOOTLOADER_INSTALL", "none").envs(variables.iter().copied());
    write
}

/// Deploying a version.
pub const DEPLOY: Operation = Operation {
    name: "deploy",
    volume: with_tree,
    command: |image| svm(image, &["deploy", "/systems/devel/orig"]),
    touched: &["devel"],
    unfinished: &["devel"],
    goes_on: false,
    chosen: None,
};
/// Choosing a version.
pub const SET_DEFAULT: Operation = Operation {
    name: "set-default",
    volume: with_devel,
    command: |image| svm(image, &["set-default", "devel"]),
    touched: &[],
    unfinished: &[],
    goes_on: false,
    chosen: None,
};
/// Choosing a version when `/etc` was edited since it was deployed.
pub const SET_DEFAULT_MERGING: Operation = Operation {
    name: "set-default with a merge",
    volume: with_devel_and_a_late_edit,
    command: |image| svm(image, &["set-default", "devel"]),
    touched: &["devel"],
    unfinished: &[],
    goes_on: false,
    chosen: None,
};
/// Removing a version.
pub const REMOVE: Operation = Operation {
    name: "remove",
    volume: with_devel,
    command: |image| svm(image, &["remove", "devel"]),
    touched: &["devel"],
    unfinished: &[],
    goes_on: true,
    chosen: None,
};
/// Merging `/etc` again.
pub const MERGE: Operation = Operation {
    name: "merge",
    volume: with_devel_and_a_late_edit,
    command: |image| tool("baserock-system-config-sync", image, &["merge", "factory", "devel"]),
    touched: &["devel"],
    unfinished: &[],
    goes_on: false,
    chosen: None,
};
/// Copying one `/etc` to all versions.
pub const SYNC: Operation = Operation {
    name: "sync",
    volume: with_devel_and_a_late_edit,
    command: |image| tool("baserock-system-config-sync", image, &["sync", "factory"]),
    touched: &["devel", "spare"],
    unfinished: &[],
    goes_on: false,
    chosen: None,
};
/// Adding a version to a disk.
pub const UPGRADE: Operation = Operation {
    name: "rawdisk upgrade",
    volume: || factory_image(256),
    command: |image| rawdisk(image, &[("UPGRADE", "yes"), ("VERSION_LABEL", "next"), ("MERGE_ETC", "yes")]),
    touched: &["next"],
    unfinished: &[],
    goes_on: false,
    chosen: Some("next"),
};

/// Deploying a version where `/boot` is a filesystem of its own.
pub const DEPLOY_BOOT: Operation =
    Operation { name: "deploy with a /boot", volume: with_tree_and_boot, ..DEPLOY };
/// Choosing one there.
pub const SET_DEFAULT_BOOT: Operation =
    Operation { name: "set-default with a /boot", volume: with_devel_and_boot, ..SET_DEFAULT };
/// Removing one there.
pub const REMOVE_BOOT: Operation =
    Operation { name: "remove with a /boot", volume: with_devel_and_boot, ..REMOVE };

/// All of them, on a disk that is one volume.
pub const ALL: [Operation; 7] = [DEPLOY, SET_DEFAULT, SET_DEFAULT_MERGING, REMOVE, MERGE, SYNC, UPGRADE];
