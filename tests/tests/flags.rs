//! The flags of `chattr` in trees and versions: they are kept, and stop nothing.
//!
//! Pace: seconds

use std::fs;
use std::path::{Path, PathBuf};

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{command, run, shell};

fn chattr(flags: &str, path: &Path) {
    shell("chattr", &[flags, path.to_str().unwrap()]);
}

/// The flags that `lsattr` shows, without those that tell how the file is stored.
fn flags(path: &Path) -> String {
    let shown = shell("lsattr", &["-d", path.to_str().unwrap()]);
    shown.split(' ').next().unwrap().chars().filter(|flag| "iadASD".contains(*flag)).collect()
}

fn tree(place: &Path) -> PathBuf {
    let tree = place.join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    tree
}

fn write(tree: &Path, image: &Image, variables: &[(&str, &str)]) -> String {
    let mut write = command("rawdisk-write");
    let variables = [("BOOTLOADER_INSTALL", "none"), ("DISK_SIZE", "512M")].iter().chain(variables);
    run(write.args([tree, &image.path()]).envs(variables.copied())).ok()
}

fn verify(image: &Image, label: &str) {
    run(command("system-version-manager").arg("--volume").arg(image.path()).args(["verify", label])).ok();
}

#[test]
fn flags_follow_the_tree_from_version_to_version() {
    let image = Image::to_be();
    let tree = tree(image.place());
    fs::write(tree.join("etc/one"), "text\n").unwrap();
    fs::hard_link(tree.join("etc/one"), tree.join("etc/two")).unwrap();
    fs::write(tree.join("etc/plain"), "text\n").unwrap();
    for (flags, name) in [("+i", "etc/one"), ("+d", "etc/plain"), ("+A", "var"), ("+i", "")] {
        chattr(flags, &tree.join(name));
    }
    write(&tree, &image, &[]);
    verify(&image, "factory");

    chattr("-i", &tree);
    chattr("-d", &tree.join("etc/plain"));
    chattr("-A", &tree.join("var"));
    fs::create_dir(tree.join("var/fixed")).unwrap();
    fs::write(tree.join("var/fixed/file"), "").unwrap();
    for name in ["var/fixed/file", "var/fixed", "etc"] {
        chattr("+i", &tree.join(name));
    }
    write(&tree, &image, &[("UPGRADE", "yes"), ("VERSION_LABEL", "devel"), ("MERGE_ETC", "yes")]);
    for name in ["var/fixed/file", "var/fixed", "etc", "etc/one"] {
        chattr("-i", &tree.join(name));
    }
    verify(&image, "devel");
    let mounted = image.mount("");
    let found = |path: &str| flags(&mounted.path().join(path));
    for (path, expected) in [
        ("systems/factory/orig", ""),
        ("systems/factory/orig/etc/two", "i"),
        ("systems/factory/orig/etc/plain", "d"),
        ("systems/devel/orig/etc/two", "i"),
        ("systems/devel/orig/etc/plain", ""),
        ("systems/devel/orig/var", ""),
        ("systems/devel/run/etc", "i"),
        ("state/var/fixed", "i"),
        ("state/var/fixed/file", "i"),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
    drop(mounted);
    let manage = |arguments: &[&str]| {
        run(command("system-version-manager").arg("--volume").arg(image.path()).args(arguments)).ok()
    };
    manage(&["set-default", "factory"]);
    manage(&["remove", "devel"]);
}

#[test]
fn a_machine_whose_etc_is_protected_is_upgraded() {
    let image = Image::to_be();
    let tree = tree(image.place());
    write(&tree, &image, &[]);
    let mounted = image.mount("");
    fs::write(mounted.path().join("systems/factory/run/etc/hostname"), "mine\n").unwrap();
    chattr("+i", &mounted.path().join("systems/factory/run/etc/hostname"));
    chattr("+i", &mounted.path().join("systems/factory/run/etc"));
    drop(mounted);
    write(&tree, &image, &[("UPGRADE", "yes"), ("VERSION_LABEL", "devel"), ("MERGE_ETC", "yes")]);
    let mounted = image.mount("");
    let merged = mounted.path().join("systems/devel/run/etc/hostname");
    assert_eq!(fs::read_to_string(&merged).unwrap(), "mine\n");
    assert_eq!(flags(&merged), "i");
}
