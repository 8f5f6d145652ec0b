//! Versions whose `/etc` has conflicts can be refused, or be kept from becoming the default.
//!
//! Pace: seconds

use std::fs;
use std::path::{Path, PathBuf};

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::ssh::Target;
use baserock_tests::version::{factory_image, manage, put_tree};
use tempfile::TempDir;

/// The file that both sides change.
const CLASH: &str = "etc/os-release";

/// An image with factory, where somebody has edited a file.
fn edited(megabytes: u64) -> Image {
    let image = factory_image(megabytes);
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/factory/run").join(CLASH), "ID=mine\n").unwrap();
    drop(mounted);
    image
}

/// The next tree, in which the vendor has changed the same file.
fn next() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    fs::write(tree.join(CLASH), "ID=busybox\nVERSION_ID=2\n").unwrap();
    (place, tree)
}

fn names(image: &Image, folder: &str) -> Vec<String> {
    let mounted = image.mount("subvolid=5");
    let names = fs::read_dir(mounted.path().join(folder)).unwrap();
    let mut names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_deployment_with_conflicts_is_refused_before_anything_is_changed() {
    let image = edited(512);
    put_tree(&image, "devel", |orig| fs::write(orig.join(CLASH), "ID=busybox\nVERSION_ID=2\n").unwrap());
    let before = image.bytes();
    let deploy = ["deploy", "/systems/devel/orig", "--refuse-conflicts"];
    let parts = ["/etc has conflicts in version devel: os-release", "--take os-release=user|new"];
    let dry = manage(&image, &[&deploy[..], &["--dry-run"]].concat()).refused(&parts);
    assert!(image.bytes() == before, "a dry run has changed the disk");
    assert_eq!(manage(&image, &deploy).refused(&parts), dry);
    assert_eq!(names(&image, "systems/devel"), ["orig"]);

    let merged = manage(&image, &[&deploy[..], &["--take", "os-release=new"]].concat()).succeeded();
    assert!(!merged.stderr.contains("conflict"), "{}", merged.stderr);
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
}

/// `rawdisk.write` of the tree as a version, with `CONFLICTS`.
fn write(image: &Image, tree: &Path, label: &str, conflicts: &str) -> Done {
    let mut write = command("rawdisk-write");
    write.arg(tree).arg(image.path()).env("UPGRADE", "yes").env("VERSION_LABEL", label);
    run(write.env("MERGE_ETC", "yes").env("CONFLICTS", conflicts))
}

#[test]
fn an_upgrade_of_a_disk_does_about_conflicts_what_was_chosen() {
    let (image, (_place, tree)) = (edited(512), next());
    write(&image, &tree, "devel", "some").refused(&["CONFLICTS is \"some\"", "refuse"]);
    let parts = ["ERROR: /etc has conflicts in version devel: os-release", "MERGE_TAKE: os-release=user|new"];
    write(&image, &tree, "devel", "refuse").refused(&parts);
    assert_eq!(names(&image, "systems"), ["default", "factory"]);
    assert_eq!(names(&image, ".baserock/incoming"), [""; 0]);

    let held = write(&image, &tree, "devel", "default-stays");
    assert_eq!(held.code, 3, "{}", held.stderr);
    let warning = "warning: devel does not become the default, because its /etc has conflicts: os-release";
    assert!(held.stderr.contains(warning), "{}", held.stderr);
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");

    write(&image, &tree, "accepted", "accept").ok();
    assert_eq!(manage(&image, &["get-default"]).ok(), "accepted\n");
    write(&image, &tree, "third", "refuse").refused(&["/etc has conflicts in version third: os-release"]);
}

#[test]
fn a_push_does_about_conflicts_what_was_chosen() {
    let (image, (_place, tree)) = (edited(3072), next());
    let target = Target::start(&image, "factory");
    let push = |conflicts: &str| run(target.push(&tree, "devel").env("CONFLICTS", conflicts));
    push("some").refused(&["CONFLICTS is \"some\""]);
    push("refuse").refused(&["/etc has conflicts in version devel: os-release", "CONFLICTS=default-stays"]);
    assert_eq!(target.system.manage(&["list", "-q"]).ok(), "factory\n");
    assert_eq!(target.incoming(), ["devel"], "the next push sends nothing again");
    let held = push("default-stays");
    assert_eq!(held.code, 3, "{}", held.stderr);
    assert!(held.stdout.contains("stays with its default, because of conflicts in /etc"), "{}", held.stdout);
    assert!(held.stdout.contains("to be settled in the new version: os-release"), "{}", held.stdout);
    // What is deployed is not refused less than what is not.
    push("refuse").refused(&["/etc has conflicts in version devel: os-release"]);
    push("accept").ok();
    drop(target);
    assert_eq!(manage(&image, &["get-default"]).ok(), "devel\n");
}
