//! What extlinux cannot read is said with the numbers, before somebody reboots into it.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::path::Path;

use baserock_tests::image::{Image, Mounted};
use baserock_tests::inputs;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::version::{manage, put_tree};
use system::loopdev::LoopDevice;

/// An image with extlinux and the small tree.
fn image(size: &str) -> (Image, String) {
    let image = Image::to_be();
    let mut write = command("rawdisk-write");
    let done = run(write.arg(inputs::busybox().unwrap()).arg(image.path()).env("DISK_SIZE", size));
    assert_eq!(done.code, 0, "{}", done.stderr);
    (image, done.stderr)
}

#[test]
fn more_than_256_chunks() {
    let (image, said) = image("400G");
    assert!(said.contains("the volume has 400 GiB, and extlinux reads at most 256 chunks"), "{said}");
    put_tree(&image, "devel", |_| {});
    let mounted = image.mount("");
    // Reserved and never written: the disk that holds the image has no such room.
    shell("fallocate", &["-l", "300G", mounted.path().join("big").to_str().unwrap()]);
    drop(mounted);
    let mut deploy = command("system-version-manager");
    let done = run(deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/devel/orig"]));
    assert!(done.stderr.contains("chunks allocated, and extlinux reads at most 256"), "{}", done.stderr);
    assert_eq!(done.code, 0, "it is for who looks at it to decide");
    let mut upgrade = command("rawdisk-write");
    upgrade.arg(inputs::busybox().unwrap()).arg(image.path());
    run(upgrade.envs([("UPGRADE", "yes"), ("VERSION_LABEL", "third")]))
        .refused(&["chunks allocated, and extlinux reads at most 256", "balance"]);
}

#[test]
fn several_devices() {
    let (image, said) = image("512M");
    assert!(!said.contains("extlinux reads"), "{said}");
    put_tree(&image, "devel", |_| {});
    let second = Image::blank(512);
    let attach = |image: &Image| {
        let file = File::options().read(true).write(true).open(image.path()).unwrap();
        LoopDevice::attach(&file, &image.path(), 0, 0, false).unwrap()
    };
    let devices = [attach(&image), attach(&second)];
    let mounted = Mounted::of(devices[0].path(), "subvolid=5");
    let place = mounted.path().to_str().unwrap();
    shell("btrfs", &["device", "add", "--force", devices[1].path().to_str().unwrap(), place]);
    let manage =
        |arguments: &[&str]| run(command("system-version-manager").args(["--volume", place]).args(arguments));
    let done = manage(&["deploy", "/systems/devel/orig"]);
    assert!(done.stderr.contains("the volume lies on 2 devices, and extlinux reads one"), "{}", done.stderr);
    shell("btrfs", &["balance", "start", "-f", "-dconvert=raid0", "-mconvert=raid1", place]);
    put_second(&mounted);
    let done = manage(&["deploy", "/systems/third/orig"]);
    assert!(done.stderr.contains("on 2 devices with raid"), "{}", done.stderr);
}

#[test]
fn a_full_boot_is_told_with_its_own_numbers_and_what_can_go() {
    let image = Image::to_be();
    let tree = image.place().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    let random: Vec<u8> =
        (0..10u32 << 20).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    fs::write(tree.join("boot/vmlinuz"), random).unwrap();
    let partitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("partitions/boot.yaml");
    let write = |variables: &[(&str, &str)]| {
        let mut write = command("rawdisk-write");
        write.arg(&tree).arg(image.path()).env("BOOTLOADER_INSTALL", "none");
        run(write.envs(variables.iter().copied()))
    };
    let partitioned = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", partitions.to_str().unwrap())];
    write(&[&partitioned[..], &[("DISK_SIZE", "512M")]].concat()).ok();
    let upgrade = |label: &str| write(&[("UPGRADE", "yes"), ("VERSION_LABEL", label)]);
    let list = || manage(&image, &["list"]).ok();
    upgrade("second").ok();
    let line = upgrade("third").refused(&[
        "/boot/systems/third",
        "MiB are free on /boot",
        "no version can be removed",
    ]);
    assert!(line.contains("the largest: /boot/systems/factory 10 MiB"), "{line}");
    assert_eq!(list(), "factory\nsecond (default)\n");
    manage(&image, &["set-default", "factory"]).ok();
    upgrade("third").refused(&["MiB are free on /boot", "remove LABEL (second)"]);
    manage(&image, &["remove", "second"]).ok();
    upgrade("third").ok();
}

fn put_second(mounted: &Mounted) {
    let systems = mounted.path().join("systems");
    fs::create_dir(systems.join("third")).unwrap();
    let path = |name: &str| systems.join(name).to_str().unwrap().to_owned();
    shell("btrfs", &["subvolume", "snapshot", &path("factory/orig"), &path("third/orig")]);
}
