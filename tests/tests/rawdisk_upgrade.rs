//! Disks that have versions get another one, powered off.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use baserock_tests::image::volume_offset;
use baserock_tests::image::{Image, Mounted};
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{Done, command, run, shell};
use system::loopdev::LoopDevice;

/// The small tree, in a place of its own.
fn tree(place: &Path) -> PathBuf {
    let tree = place.join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    tree
}

fn write(tree: &Path, location: &Path, variables: &[(&str, &str)]) -> Done {
    let mut write = command("rawdisk-write");
    run(write.args([tree, location]).env("BOOTLOADER_INSTALL", "none").envs(variables.iter().copied()))
}

fn upgrade(tree: &Path, location: &Path, label: &str, more: &[(&str, &str)]) -> Done {
    let mut variables = vec![("UPGRADE", "yes"), ("VERSION_LABEL", label)];
    variables.extend(more);
    write(tree, location, &variables)
}

fn list(location: &Path) -> String {
    run(command("system-version-manager").arg("--volume").arg(location).arg("list")).ok()
}

/// Changes the tree as the next version of it would.
fn next(tree: &Path) {
    fs::write(tree.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").unwrap();
    fs::write(tree.join("boot/vmlinuz"), "another kernel\n").unwrap();
    fs::remove_file(tree.join("root/.profile")).unwrap();
}

fn check_devel(volume: &Mounted, tree: &Path) {
    let orig = volume.path().join("systems/devel/orig");
    let itemized = shell(
        "rsync",
        &["-aHAXnic", "--delete", &format!("{}/", tree.display()), &format!("{}/", orig.display())],
    );
    assert_eq!(itemized, "", "orig is the tree");
    let menu = fs::read_to_string(volume.path().join("extlinux/extlinux.conf"));
    if let Ok(menu) = menu {
        assert!(menu.contains("ontimeout devel\n") && menu.contains("label factory\n"), "{menu}");
    }
    assert_eq!(fs::read_dir(volume.path().join(".baserock/incoming")).unwrap().count(), 0);
}

#[test]
fn an_image_and_a_device() {
    let image = Image::to_be();
    let tree = tree(image.place());
    write(&tree, &image.path(), &[("DISK_SIZE", "512M"), ("KERNEL_ARGS", "quiet")]).ok();
    next(&tree);
    upgrade(&tree, &image.path(), "devel", &[]).ok();
    assert_eq!(list(&image.path()), "devel (default)\nfactory\n");
    let mounted = image.mount("");
    check_devel(&mounted, &tree);
    let menu = fs::read_to_string(mounted.path().join("extlinux.conf")).unwrap();
    assert!(
        menu.contains("subvol=systems/devel/run root=/dev/sda quiet"),
        "parameters come from the default: {menu}"
    );
    assert_eq!(fs::read_to_string(mounted.path().join("systems/devel/kernel")).unwrap(), "another kernel\n");
    drop(mounted);

    upgrade(&tree, &image.path(), "devel", &[]).refused(&["version devel exists", "remove devel"]);
    let file = File::options().read(true).write(true).open(image.path()).unwrap();
    let device = LoopDevice::attach(&file, &image.path(), 0, 0, false).unwrap();
    upgrade(&tree, device.path(), "third", &[]).ok();
    assert_eq!(list(device.path()), "devel\nfactory\nthird (default)\n");
}

#[test]
fn boot_on_a_partition_of_its_own() {
    for (kind, name) in [("ext4", "ext4"), ("vfat", "FAT")] {
        let image = Image::to_be();
        let tree = tree(image.place());
        let yaml = image.place().join("disk.yaml");
        let text = "partition_table_format: mbr\npartitions:\n- {size: 64M, filesystem: KIND, mountpoint: /boot}\n\
                    - {size: fill, filesystem: btrfs, mountpoint: /}\n";
        fs::write(&yaml, text.replace("KIND", kind)).unwrap();
        let variables =
            [("DISK_SIZE", "512M"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", yaml.to_str().unwrap())];
        write(&tree, &image.path(), &variables).ok();
        next(&tree);
        upgrade(&tree, &image.path(), "devel", &[]).ok();
        assert_eq!(list(&image.path()), "devel (default)\nfactory\n", "{name}");
        let volume = image.mount_at(volume_offset(&image.path()), "subvolid=5");
        check_devel(&volume, &tree);
        let fstab = fs::read_to_string(volume.path().join("systems/devel/run/etc/fstab")).unwrap();
        assert!(fstab.contains(&format!("/boot {kind}")), "{fstab}");
        drop(volume);

        let manage = |arguments: &[&str]| {
            run(command("system-version-manager").arg("--volume").arg(image.path()).args(arguments))
        };
        manage(&["set-default", "factory"]).ok();
        manage(&["remove", "devel"]).ok();
        assert_eq!(list(&image.path()), "factory (default)\n");
        if kind == "vfat" {
            upgrade(&tree, &image.path(), "Factory", &[])
                .refused(&["differs from factory only in upper and lower case"]);
        }
    }
}

#[test]
fn etc_is_merged_only_on_request_and_what_is_left_behind_is_named() {
    for (variables, expected) in [(&[][..], "baserock\n"), (&[("MERGE_ETC", "yes")], "mine\n")] {
        let image = Image::to_be();
        let tree = tree(image.place());
        write(&tree, &image.path(), &[("DISK_SIZE", "512M")]).ok();
        fs::write(image.mount("").path().join("systems/factory/run/etc/hostname"), "mine\n").unwrap();
        next(&tree);
        let done = upgrade(&tree, &image.path(), "devel", variables).succeeded();
        let left = "edits in /etc of factory are not in devel: hostname";
        let output = [done.stdout, done.stderr].concat();
        assert_eq!(output.contains(left), variables.is_empty(), "{output}");
        let hostname =
            fs::read_to_string(image.mount("").path().join("systems/devel/run/etc/hostname")).unwrap();
        assert_eq!(hostname, expected);
    }
}

#[test]
fn a_version_with_a_record_that_cannot_be_read_is_not_made_anew() {
    let image = Image::to_be();
    let tree = tree(image.place());
    write(&tree, &image.path(), &[("DISK_SIZE", "512M")]).ok();
    upgrade(&tree, &image.path(), "devel", &[]).ok();
    upgrade(&tree, &image.path(), "third", &[]).ok();
    let mounted = image.mount("");
    let version = mounted.path().join("systems/devel");
    let record = fs::read_to_string(version.join("boot.json")).unwrap();
    let newer = record.replacen("\"format\": 1", "\"format\": 1000", 1).replacen(
        "\"format\":1",
        "\"format\":1000",
        1,
    );
    assert_ne!(newer, record);
    fs::write(version.join("boot.json"), newer).unwrap();
    fs::write(version.join("run/root/mine"), "").unwrap();
    drop((version, mounted));
    upgrade(&tree, &image.path(), "devel", &[]).refused(&["version devel was deployed", "boot.json"]);
    assert!(image.mount("").path().join("systems/devel/run/root/mine").exists());
}

#[test]
fn what_is_no_disk_with_one_volume() {
    let image = Image::blank(256);
    let tree = tree(image.place());
    upgrade(&tree, &image.path(), "devel", &[]).refused(&["disk.img holds no btrfs filesystem"]);
    shell("mkfs.btrfs", &["-q", image.path().to_str().unwrap()]);
    upgrade(&tree, &image.path(), "devel", &[]).refused(&["holds no versions"]);

    let two = Image::to_be();
    let yaml = two.place().join("disk.yaml");
    fs::write(
        &yaml,
        "partitions:\n- {size: 256M, filesystem: btrfs}\n- {size: fill, filesystem: btrfs, mountpoint: /}\n",
    )
    .unwrap();
    let variables =
        [("DISK_SIZE", "600M"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", yaml.to_str().unwrap())];
    write(&tree, &two.path(), &variables).ok();
    assert_eq!(list(&two.path()), "factory (default)\n", "the other btrfs is no volume");
    fs::create_dir(two.mount_at(1 << 20, "").path().join("systems")).unwrap();
    upgrade(&tree, &two.path(), "devel", &[]).refused(&["holds two volumes", "partitions 1 and 2"]);
}

#[test]
fn an_image_that_is_too_small_stays_as_it_is() {
    let image = Image::to_be();
    let tree = tree(image.place());
    write(&tree, &image.path(), &[("DISK_SIZE", "300M")]).ok();
    let big = File::create(tree.join("big")).unwrap();
    std::io::copy(&mut std::io::Read::take(File::open("/dev/urandom").unwrap(), 256 << 20), &mut &big)
        .unwrap();
    upgrade(&tree, &image.path(), "devel", &[]).refused(&[
        "version devel needs 257 MiB",
        "MiB are free",
        "64 MiB",
    ]);
    assert_eq!(list(&image.path()), "factory (default)\n");
    assert!(!image.mount("").path().join("systems/devel").exists());
}

/// Bytes of data on the filesystem.
fn used(volume: &Mounted) -> u64 {
    shell("btrfs", &["filesystem", "sync", volume.path().to_str().unwrap()]);
    let text = shell("btrfs", &["filesystem", "df", "--raw", volume.path().to_str().unwrap()]);
    let data = text.lines().find(|line| line.starts_with("Data")).unwrap();
    data.rsplit_once("used=").unwrap().1.parse().unwrap()
}

#[test]
fn a_point_release_costs_little_more_than_what_changed() {
    let image = Image::to_be();
    let [old, new] = [Debian::Release, Debian::Updated].map(|build| inputs::debian(build).unwrap());
    write(&old, &image.path(), &[("DISK_SIZE", "4G")]).ok();
    let before = used(&image.mount(""));
    upgrade(&new, &image.path(), "devel", &[]).ok();
    let volume = image.mount("");
    let boot: u64 = ["kernel", "initramfs"]
        .map(|name| fs::metadata(volume.path().join("systems/devel").join(name)).unwrap().len())
        .iter()
        .sum();
    let cost = used(&volume) - before - boot;
    let listed = shell(
        "rsync",
        &["-rlcn", "--out-format=%l %n", &format!("{}/", new.display()), &format!("{}/", old.display())],
    );
    let sizes = listed.lines().filter_map(|line| line.split(' ').next()?.parse::<u64>().ok());
    let changed: u64 = sizes.sum();
    println!("changed files: {changed} bytes, cost: {cost} bytes");
    assert!(cost * 10 <= changed * 11, "{cost} bytes for {changed} bytes of changed files");
}
