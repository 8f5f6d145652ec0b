//! Kernels, initramfs files and device trees where distributions and boards have them.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use baserock_tests::image::{Image, volume_offset};
use baserock_tests::inputs;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::version::{factory_image, manage, put_tree};

fn menu(image: &Image) -> String {
    fs::read_to_string(image.mount("subvolid=5").path().join("extlinux.conf")).unwrap()
}

/// A tree with device trees of two boards.
fn boards(place: &Path) -> PathBuf {
    let tree = place.join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    fs::create_dir_all(tree.join("boot/dtbs-6.1/vendor")).unwrap();
    for board in ["a", "vendor/b"] {
        fs::write(tree.join(format!("boot/dtbs-6.1/{board}.dtb")), format!("board {board}\n")).unwrap();
    }
    fs::write(tree.join("boot/dtbs-6.1/README"), "no device tree\n").unwrap();
    tree
}

const BOARDS: [(&str, &str); 4] = [
    ("DISK_SIZE", "512M"),
    ("DTB_PATH", "boot/dtbs-6.1"),
    ("BOOTLOADER_CONFIG_FORMAT", "extlinux"),
    ("BOOTLOADER_INSTALL", "none"),
];

#[test]
fn one_image_serves_the_boards_of_a_directory_of_device_trees() {
    let image = Image::to_be();
    let tree = boards(image.place());
    symlink("/boot/dtbs-6.1/a.dtb", tree.join("boot/dtbs-6.1/c.dtb")).unwrap();
    symlink("dtbs-6.1", tree.join("boot/dtbs")).unwrap();
    let write = |more: &[(&str, &str)]| {
        let mut write = command("rawdisk-write");
        run(write
            .args([&tree, &image.path()])
            .envs(BOARDS)
            .envs([("DTB_PATH", "boot/dtbs")])
            .envs(more.iter().copied()))
    };
    symlink("gone.dtb", tree.join("boot/dtbs-6.1/d.dtb")).unwrap();
    write(&[]).refused(&["d.dtb does not exist", "DTB_PATH"]);
    fs::remove_file(tree.join("boot/dtbs-6.1/d.dtb")).unwrap();
    write(&[("DTB_PATH", "etc")]).refused(&["etc has no device trees", "DTB_PATH"]);
    write(&[]).ok();
    write(&[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]).ok();
    assert_eq!(menu(&image).matches("fdtdir /systems/").count(), 2, "{}", menu(&image));
    let there = |label: &str, file: &str| {
        let path = format!("systems/{label}/dtb/{file}");
        fs::read_to_string(image.mount("subvolid=5").path().join(path)).ok()
    };
    for label in ["factory", "devel"] {
        assert_eq!(there(label, "vendor/b.dtb").as_deref(), Some("board vendor/b\n"));
        assert_eq!(there(label, "c.dtb").as_deref(), Some("board a\n"), "a link is followed in the tree");
        assert_eq!(there(label, "README"), None);
    }
    manage(&image, &["verify"]).ok();
    fs::write(image.mount("subvolid=5").path().join("systems/devel/dtb/vendor/b.dtb"), "other\n").unwrap();
    assert!(manage(&image, &["verify"]).stdout.contains("/systems/devel/dtb/vendor/b.dtb: content"));
    manage(&image, &["remove", "--force", "factory"]).ok();
    assert_eq!(there("factory", "a.dtb"), None);
    fs::remove_dir_all(image.mount("subvolid=5").path().join("systems/devel/dtb")).unwrap();
    assert!(manage(&image, &["list"]).stderr.contains("devel is not complete: it has no dtb"));
}

#[test]
fn device_trees_go_to_a_boot_filesystem_too() {
    for filesystem in ["ext4", "vfat"] {
        let image = Image::to_be();
        let tree = boards(image.place());
        let file = image.place().join("disk.yaml");
        let partitions = format!(
            "partitions: [{{size: 64M, filesystem: {filesystem}, mountpoint: /boot}}, {{size: fill, filesystem: btrfs, mountpoint: /}}]"
        );
        fs::write(&file, format!("partition_table_format: mbr\n{partitions}\n")).unwrap();
        let write = |more: &[(&str, &str)]| {
            let mut write = command("rawdisk-write");
            run(write.args([&tree, &image.path()]).envs(BOARDS).envs(more.iter().copied())).ok()
        };
        write(&[("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())]);
        write(&[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]);
        manage(&image, &["verify"]).ok();
        manage(&image, &["set-default", "factory"]).ok();
        manage(&image, &["remove", "devel"]).ok();
        manage(&image, &["verify", "factory"]).ok();
        let volume = image.mount_at(volume_offset(&image.path()), "subvolid=5");
        assert!(!volume.path().join("systems/factory/dtb").exists(), "the device trees are on /boot");
        assert!(!volume.path().join("systems/devel").exists());
    }
}

#[test]
fn a_kernel_without_its_initramfs_is_named_and_an_empty_one_is_none() {
    let image = factory_image(512);
    let boots = |label: &str, change: &dyn Fn(&Path)| {
        put_tree(&image, label, |orig| {
            fs::remove_file(orig.join("boot/vmlinuz")).unwrap();
            change(&orig.join("boot"));
        });
        manage(&image, &["deploy", &format!("/systems/{label}/orig")])
    };
    let done = boots("other", &|boot| {
        fs::write(boot.join("vmlinuz-6.2"), "kernel").unwrap();
        fs::write(boot.join("initrd.img-6.1"), "initramfs").unwrap();
    });
    assert!(
        done.stderr.contains("vmlinuz-6.2 without an initramfs") && done.stderr.contains("initrd.img-6.1"),
        "{}",
        done.stderr
    );
    done.ok();
    boots("empty", &|boot| fs::write(boot.join("vmlinuz"), "").unwrap())
        .refused(&["boot/vmlinuz is empty", "KERNEL_PATH"]);
    boots("released", &|boot| {
        for name in ["vmlinuz-6.3-rc1", "vmlinuz-6.2.old", "vmlinuz-6.1", "vmlinuz-0-rescue-1"] {
            fs::write(boot.join(name), name).unwrap();
        }
    })
    .ok();
    let mounted = image.mount("subvolid=5");
    let kernel = fs::read_to_string(mounted.path().join("systems/released/kernel"));
    assert_eq!(kernel.unwrap(), "vmlinuz-6.1");
}
