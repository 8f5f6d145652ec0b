//! Volumes with versions, for tests that only look at disks.

use std::path::Path;
use std::process::Command;

use system::btrfs::{self, Access};
use system::dir::Dir;

use crate::image::Image;
use crate::inputs;
use crate::programs::{Done, command, run};

/// A new image with the busybox tree as `factory`, without a boot loader.
pub fn factory_image(megabytes: u64) -> Image {
    let image = Image::blank(megabytes);
    std::fs::remove_file(image.path()).expect("the blank image");
    let tree = inputs::busybox().expect("the busybox tree");
    write(&tree, &image.path(), megabytes).ok();
    image
}

/// Writes a tree to an image.
pub fn write(tree: &Path, image: &Path, megabytes: u64) -> Done {
    let mut write = command("rawdisk-write");
    run(write.args([tree, image]).env("DISK_SIZE", format!("{megabytes}M")).env("BOOTLOADER_INSTALL", "none"))
}

/// Puts a writable copy of the default's `orig` at `systems/LABEL/orig`, and lets `change` work on it.
pub fn put_tree(image: &Image, label: &str, change: impl FnOnce(&Path)) {
    let mounted = image.mount("subvolid=5");
    let systems = mounted.dir().dir("systems").expect("systems");
    systems.make_dir(label, 0o755).expect("a version's directory");
    let base: Dir = systems.dir("factory/orig").expect("orig of factory");
    btrfs::snapshot(&base, &systems.dir(label).expect("it"), "orig", Access::Writable).expect("a snapshot");
    change(&mounted.path().join("systems").join(label).join("orig"));
}

/// Runs `system-version-manager` on the image.
pub fn manage(image: &Image, arguments: &[&str]) -> Done {
    manage_at(&image.path(), arguments)
}

/// Runs it on the disk at this path.
pub fn manage_at(disk: &Path, arguments: &[&str]) -> Done {
    run(command("system-version-manager").arg("--volume").arg(disk).args(arguments))
}

/// Runs `baserock-system-config-sync` on the image.
pub fn config_sync(image: &Image, arguments: &[&str]) -> Done {
    run(command("baserock-system-config-sync").arg("--volume").arg(image.path()).args(arguments))
}

/// Has rsync compare the `orig` of a version, below the top level of its volume, with a tree.
#[track_caller]
pub fn assert_identical(top: &Path, label: &str, tree: &Path) {
    let orig = top.join("systems").join(label).join("orig/");
    let mut compare = Command::new("rsync");
    compare.args(["-aHAXn", "--checksum", "--delete", "--numeric-ids", "--itemize-changes"]);
    assert_eq!(run(compare.arg(tree.join("")).arg(orig)).ok(), "", "{label} is another tree");
}
