//! Trees with the names of distributions, and which of them boot.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn tree(files: &[&str]) -> (tempfile::TempDir, Dir) {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("boot")).unwrap();
    for file in files {
        let (file, target) = file.split_once(" -> ").map_or((*file, None), |(file, to)| (file, Some(to)));
        let path = place.path().join(file.trim_end_matches(" (empty)"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            Some(target) => symlink(target, path).unwrap(),
            None if file.ends_with(" (empty)") => fs::write(path, "").unwrap(),
            None => fs::write(path, "x").unwrap(),
        }
    }
    let dir = Dir::open(place.path()).unwrap().shown_as("/systems/a/orig");
    (place, dir)
}

#[test]
fn debians_link_leads_to_kernel_and_initramfs_of_one_version() {
    let (place, dir) = tree(&["boot/vmlinuz-6.1.0-9", "boot/initrd.img-6.1.0-9", "boot/initrd.img-6.1.0-8"]);
    symlink("boot/vmlinuz-6.1.0-9", place.path().join("vmlinuz")).unwrap();
    let files = boot_files(&dir, &Parameters::default()).unwrap();
    assert_eq!(files.kernel.path, Path::new("boot/vmlinuz-6.1.0-9"));
    assert_eq!(files.initramfs.unwrap().path, Path::new("boot/initrd.img-6.1.0-9"));
    assert!(files.dtb.is_none());
}

#[test]
fn the_highest_kernel_without_a_link() {
    let (_place, dir) = tree(&["boot/vmlinuz-6.9.1", "boot/vmlinuz-6.10.0", "boot/initramfs-6.10.0.img"]);
    let files = boot_files(&dir, &Parameters::default()).unwrap();
    assert_eq!(files.kernel.path, Path::new("boot/vmlinuz-6.10.0"));
    assert_eq!(files.initramfs.unwrap().path, Path::new("boot/initramfs-6.10.0.img"));
}

#[test]
fn what_the_parameters_name_must_be_there() {
    let (_place, dir) = tree(&["boot/zImage", "boot/board.dtb"]);
    let with = |kernel: Option<&str>, initramfs: Option<&str>, dtb: Option<&str>| Parameters {
        kernel_path: kernel.map(PathBuf::from),
        initramfs_path: initramfs.map(PathBuf::from),
        dtb_path: dtb.map(PathBuf::from),
        ..Parameters::default()
    };
    let files = boot_files(&dir, &with(Some("boot/zImage"), Some(""), Some("boot/board.dtb"))).unwrap();
    assert!(files.initramfs.is_none() && files.dtb.is_some());
    let error = boot_files(&dir, &with(None, Some("boot/initrd"), None)).unwrap_err().to_string();
    assert!(error.starts_with("the initramfs /systems/a/orig/boot/initrd does not exist"), "{error}");
}

#[test]
fn without_a_kernel_it_tells_where_it_looked() {
    let (_place, dir) = tree(&[]);
    let error = boot_files(&dir, &Parameters::default()).unwrap_err().to_string();
    assert!(error.contains("/boot/zImage") && error.contains("/boot/vmlinuz-*"), "{error}");
}

/// A distribution, the files of its trees, and the kernel and initramfs that it boots.
const DISTRIBUTIONS: [(&str, &[&str], &str, &str); 21] = [
    (
        "Debian",
        &[
            "boot/vmlinuz-6.1.0-9-amd64",
            "boot/initrd.img-6.1.0-9-amd64",
            "vmlinuz -> boot/vmlinuz-6.1.0-9-amd64",
        ],
        "boot/vmlinuz-6.1.0-9-amd64",
        "boot/initrd.img-6.1.0-9-amd64",
    ),
    (
        "Ubuntu",
        &[
            "boot/vmlinuz-6.8.0-31-generic",
            "boot/initrd.img-6.8.0-31-generic",
            "boot/vmlinuz -> vmlinuz-6.8.0-31-generic",
            "boot/initrd.img -> initrd.img-6.8.0-31-generic",
            "boot/vmlinuz-6.8.0-30-generic",
            "boot/initrd.img-6.8.0-30-generic",
            "boot/vmlinuz.old -> vmlinuz-6.8.0-30-generic",
        ],
        "boot/vmlinuz-6.8.0-31-generic",
        "boot/initrd.img-6.8.0-31-generic",
    ),
    ("Buildroot", &["boot/bzImage"], "boot/bzImage", ""),
    ("Buildroot on arm64", &["boot/Image", "boot/board.dtb"], "boot/Image", ""),
    (
        "Yocto",
        &["boot/bzImage-6.6.23-yocto-standard", "boot/bzImage -> bzImage-6.6.23-yocto-standard"],
        "boot/bzImage-6.6.23-yocto-standard",
        "",
    ),
    ("Yocto on arm64, without a link", &["boot/Image-6.6.23-yocto"], "boot/Image-6.6.23-yocto", ""),
    ("Alpine", &["boot/vmlinuz-lts", "boot/initramfs-lts"], "boot/vmlinuz-lts", "boot/initramfs-lts"),
    (
        "openSUSE",
        &[
            "usr/lib/modules/6.9.1-1-default/vmlinuz",
            "boot/initrd-6.9.1-1-default",
            "boot/vmlinuz-6.9.1-1-default -> ../usr/lib/modules/6.9.1-1-default/vmlinuz",
            "boot/vmlinuz -> vmlinuz-6.9.1-1-default",
            "boot/initrd -> initrd-6.9.1-1-default",
        ],
        "usr/lib/modules/6.9.1-1-default/vmlinuz",
        "boot/initrd-6.9.1-1-default",
    ),
    (
        "Fedora",
        &[
            "boot/vmlinuz-6.8.5-301.fc40.x86_64",
            "boot/initramfs-6.8.5-301.fc40.x86_64.img",
            "boot/vmlinuz-0-rescue-0123",
            "boot/initramfs-0-rescue-0123.img",
            "usr/lib/modules/6.8.5-301.fc40.x86_64/vmlinuz",
        ],
        "boot/vmlinuz-6.8.5-301.fc40.x86_64",
        "boot/initramfs-6.8.5-301.fc40.x86_64.img",
    ),
    (
        "bootc",
        &["usr/lib/modules/6.8.5-301/vmlinuz", "usr/lib/modules/6.8.5-301/initramfs.img"],
        "usr/lib/modules/6.8.5-301/vmlinuz",
        "usr/lib/modules/6.8.5-301/initramfs.img",
    ),
    (
        "mkosi, lib is a directory",
        &["lib/modules/6.9.5-arch1-1/vmlinuz", "lib/modules/6.9.5-arch1-1/initrd"],
        "lib/modules/6.9.5-arch1-1/vmlinuz",
        "lib/modules/6.9.5-arch1-1/initrd",
    ),
    (
        "Gentoo",
        &["boot/kernel-6.6.30-gentoo", "boot/initramfs-6.6.30-gentoo.img", "boot/kernel-6.6.31-gentoo.old"],
        "boot/kernel-6.6.30-gentoo",
        "boot/initramfs-6.6.30-gentoo.img",
    ),
    (
        "Arch",
        &["boot/vmlinuz-linux", "boot/initramfs-linux-fallback.img", "boot/initramfs-linux.img"],
        "boot/vmlinuz-linux",
        "boot/initramfs-linux.img",
    ),
    (
        "Void",
        &["boot/vmlinuz-6.6.32_1", "boot/initramfs-6.6.32_1.img", "boot/vmlinuz-6.6.9_1"],
        "boot/vmlinuz-6.6.32_1",
        "boot/initramfs-6.6.32_1.img",
    ),
    (
        "NixOS",
        &[
            "nix/store/aa-linux-6.6.32/bzImage",
            "nix/store/bb-initrd-linux-6.6.32/initrd",
            "nix/store/cc-nixos/kernel -> /nix/store/aa-linux-6.6.32/bzImage",
            "nix/store/cc-nixos/initrd -> /nix/store/bb-initrd-linux-6.6.32/initrd",
            "nix/var/nix/profiles/system -> /nix/store/cc-nixos",
        ],
        "nix/store/aa-linux-6.6.32/bzImage",
        "nix/store/bb-initrd-linux-6.6.32/initrd",
    ),
    (
        "NixOS with its kernels in /boot",
        &["boot/kernels/aa-linux-6.6.32-bzImage", "boot/kernels/bb-initrd-linux-6.6.32-initrd"],
        "boot/kernels/aa-linux-6.6.32-bzImage",
        "boot/kernels/bb-initrd-linux-6.6.32-initrd",
    ),
    ("Slackware", &["boot/vmlinuz", "boot/initrd.gz"], "boot/vmlinuz", "boot/initrd.gz"),
    ("names without a version", &["boot/zImage", "boot/initrd.img"], "boot/zImage", "boot/initrd.img"),
    (
        "one initramfs without a version",
        &["boot/vmlinuz-6.1", "boot/initramfs.img"],
        "boot/vmlinuz-6.1",
        "boot/initramfs.img",
    ),
    (
        "an empty kernel, and one that a link to nothing names",
        &["boot/vmlinuz-6.2 (empty)", "boot/vmlinuz-6.1", "boot/vmlinuz -> vmlinuz-6.3"],
        "boot/vmlinuz-6.1",
        "",
    ),
    (
        "a link to what was replaced",
        &["boot/vmlinuz -> k.old", "boot/k.old", "boot/zImage"],
        "boot/zImage",
        "",
    ),
];

#[test]
fn each_distribution_boots_with_its_own_names() {
    for (distribution, files, kernel, initramfs) in DISTRIBUTIONS {
        let (_place, dir) = tree(files);
        let found = boot_files(&dir, &Parameters::default()).unwrap();
        assert_eq!(found.kernel.path, Path::new(kernel), "{distribution}");
        let path = found.initramfs.map(|initramfs| initramfs.path).unwrap_or_default();
        assert_eq!(path, Path::new(initramfs), "{distribution}");
        assert!(found.others.is_empty(), "{distribution}: {:?}", found.others);
    }
}

#[test]
fn initramfs_files_of_other_kernels_are_named() {
    let (_place, dir) = tree(&["boot/vmlinuz-6.2", "boot/initrd.img-6.1", "boot/initramfs-6.3.img"]);
    let files = boot_files(&dir, &Parameters::default()).unwrap();
    let boot = Path::new("/systems/a/orig/boot");
    assert!(files.initramfs.is_none());
    assert_eq!(files.others, [boot.join("initrd.img-6.1"), boot.join("initramfs-6.3.img")]);
    let none = Parameters { initramfs_path: Some(PathBuf::new()), ..Parameters::default() };
    assert!(boot_files(&dir, &none).unwrap().others.is_empty(), "nobody wants one");
}

#[test]
fn an_empty_kernel_is_none() {
    let (_place, dir) = tree(&["boot/vmlinuz (empty)"]);
    let path = Parameters { kernel_path: Some("boot/vmlinuz".into()), ..Parameters::default() };
    for parameters in [Parameters::default(), path] {
        let error = boot_files(&dir, &parameters).unwrap_err().to_string();
        assert_eq!(error, "the kernel /systems/a/orig/boot/vmlinuz is empty");
    }
}
