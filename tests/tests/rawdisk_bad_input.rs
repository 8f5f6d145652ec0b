//! What `rawdisk` refuses: with one line that says why, and nothing made or changed.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, path, run, shell};

/// A place with the small tree, and an image to be.
struct Case {
    image: Image,
    tree: PathBuf,
}

impl Case {
    fn new() -> Self {
        let image = Image::to_be();
        let tree = image.place().join("tree");
        shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
        Case { image, tree }
    }

    fn write(&self, variables: &[(&str, &str)]) -> Done {
        let mut write = command("rawdisk-write");
        write
            .args([&self.tree, &self.image.path()])
            .env("BOOTLOADER_INSTALL", "none")
            .env("DISK_SIZE", "512M");
        run(write.envs(variables.iter().copied()))
    }

    fn partitioned(&self, file: &str) -> Done {
        let path = self.image.place().join("disk.yaml");
        fs::write(&path, file).unwrap();
        self.write(&[("USE_PARTITIONING", "yes"), ("PARTITION_FILE", path.to_str().unwrap())])
    }

    /// Nothing but what the test made is there.
    #[track_caller]
    fn left_nothing(&self) {
        let names = fs::read_dir(self.image.place()).unwrap().map(|entry| entry.unwrap().file_name());
        let extra: Vec<_> = names.filter(|name| name != "tree" && name != "disk.yaml").collect();
        assert!(extra.is_empty(), "{extra:?}");
        let attached = shell("losetup", &["--list", "--noheadings", "--output", "BACK-FILE"]);
        assert!(!attached.contains(self.image.place().to_str().unwrap()), "{attached}");
    }
}

const ROOT: &str = "{size: fill, filesystem: btrfs, mountpoint: /}";

#[test]
fn partition_files() {
    let case = Case::new();
    let small = "{size: 1M, filesystem: none}";
    for (file, parts) in [
        ("partitions: [".to_owned(), &["disk.yaml: "][..]),
        (format!("partitions: [{ROOT}]\nsectors: 2"), &["disk.yaml", "unknown field `sectors`"]),
        (
            format!("partition_table_format: mbr\npartitions: [{ROOT}, {small}, {small}, {small}, {small}]"),
            &["5 partitions", "at most 4"],
        ),
        (
            format!(
                "partitions: [{ROOT}, {{size: fill, filesystem: none}}, {{size: 510M, filesystem: none}}]"
            ),
            &["2 partitions share", "larger"],
        ),
        (format!("partitions: [{small}]"), &["no partition has mountpoint /"]),
        (format!("partitions: [{ROOT}, {ROOT}]"), &["two partitions have mountpoint /"]),
        ("partitions: [{size: fill, filesystem: none, mountpoint: /}]".to_owned(), &["no filesystem"]),
        (
            format!(
                "partitions: [{ROOT}, {{size: 1M, filesystem: none, number: 1}}, {{size: 1M, filesystem: none, number: 1}}]"
            ),
            &["two partitions have number 1"],
        ),
        (
            format!("partitions: [{ROOT}, {{size: 1G, filesystem: none}}]"),
            &["take 1024 MiB", "the disk has 510 MiB"],
        ),
        (
            format!("partitions: [{ROOT}]\nraw_files: [{{file: boot/none}}]"),
            &["boot/none is not in the root filesystem"],
        ),
        (
            format!("partitions: [{ROOT}]\nraw_files: [{{file: boot, offset_sectors: 40}}]"),
            &["boot: is a directory, not a file"],
        ),
        (
            format!("partitions: [{ROOT}]\nraw_files: [{{file: ../../etc/passwd}}]"),
            &["outside the root filesystem"],
        ),
        (
            format!("partitions: [{ROOT}]\nraw_files: [{{file: etc/hostname, offset_bytes: 510}}]"),
            &["would overwrite the partition table"],
        ),
        (
            "partitions: [{size: 16M, filesystem: btrfs, mountpoint: /}]".to_owned(),
            &["the partition of / is 16 MiB", "needs"],
        ),
    ] {
        case.partitioned(&file).refused(parts);
        case.left_nothing();
    }
    case.write(&[("USE_PARTITIONING", "yes"), ("PARTITION_FILE", "/nonexistent.yaml")])
        .refused(&["/nonexistent.yaml: No such file"]);
    case.write(&[("USE_PARTITIONING", "yes"), ("PARTITION_FILE", "/dev")])
        .refused(&["/dev: is a directory, not a file"]);
}

#[test]
fn a_partition_file_or_raw_file_without_end_is_refused_at_once() {
    let case = Case::new();
    let place = tempfile::tempdir().unwrap();
    let (fifo, endless) = (place.path().join("fifo"), place.path().join("endless"));
    let raw = case.tree.join("boot/loader");
    for path in [&fifo, &raw] {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    symlink("/dev/zero", &endless).unwrap();
    for (path, kind) in [(&fifo, "a FIFO"), (&endless, "a character device")] {
        case.write(&[("USE_PARTITIONING", "yes"), ("PARTITION_FILE", path.to_str().unwrap())])
            .refused(&[path.to_str().unwrap(), &format!("is {kind}, not a file")]);
    }
    case.partitioned(&format!(
        "partitions: [{ROOT}]\nraw_files: [{{file: boot/loader, offset_sectors: 40}}]"
    ))
    .refused(&["boot/loader", "is a FIFO, not a file"]);
    case.left_nothing();
}

#[test]
fn a_raw_file_that_a_link_leads_outside_is_not_there() {
    let case = Case::new();
    fs::write(case.image.place().join("disk.yaml"), "").unwrap();
    symlink("../../disk.yaml", case.tree.join("boot/link")).unwrap();
    symlink("/proc/version", case.tree.join("boot/absolute")).unwrap();
    for name in ["link", "absolute"] {
        case.partitioned(&format!(
            "partitions: [{ROOT}]\nraw_files: [{{file: boot/{name}, offset_sectors: 40}}]"
        ))
        .refused(&["is not in the root filesystem"]);
    }
    case.left_nothing();
}

#[test]
fn boot_files_and_variables() {
    let case = Case::new();
    for (variables, parts) in [
        (&[("DTB_PATH", "boot/board.dtb")][..], &["DTB_PATH names", "boot/board.dtb"][..]),
        (&[("INITRAMFS_PATH", "boot/initrd")], &["INITRAMFS_PATH names", "boot/initrd"]),
        (&[("KERNEL_PATH", "boot")], &["KERNEL_PATH names", "no regular file"]),
        (&[("KERNEL_ARGS", "a\nb")], &["KERNEL_ARGS", "newline"]),
        (&[("DISK_SIZE", "huge")], &["DISK_SIZE is \"huge\""]),
        (&[("DISK_SIZE", "64M")], &["DISK_SIZE is 64 MiB", "needs", "or more"]),
        (&[("USE_PARTITIONING", "si")], &["USE_PARTITIONING is \"si\""]),
        (&[("PARTITION_FILE", "x.yaml")], &["USE_PARTITIONING=yes"]),
        (&[("BOOTLOADER_INSTALL", "grub")], &["BOOTLOADER_INSTALL"]),
        (&[("BOOTLOADER_CONFIG_FORMAT", "grub")], &["BOOTLOADER_CONFIG_FORMAT"]),
        (&[("UPGRADE", "yes")], &["VERSION_LABEL is not set"]),
        (&[("UPGRADE", "yes"), ("VERSION_LABEL", "a b")], &["VERSION_LABEL"]),
        (&[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")], &["disk.img: No such file"]),
    ] {
        case.write(variables).refused(parts);
        case.left_nothing();
    }
    fs::remove_file(case.tree.join("boot/vmlinuz")).unwrap();
    case.write(&[]).refused(&["no kernel in", "KERNEL_PATH"]);
    case.left_nothing();
}

#[test]
fn trees_and_places() {
    let case = Case::new();
    File::create(case.image.path()).unwrap();
    case.write(&[]).refused(&["disk.img exists", "UPGRADE=yes"]);
    let mut write = command("rawdisk-write");
    run(write
        .args([&case.tree, Path::new("/nonexistent/disk.img")])
        .env("DISK_SIZE", "512M")
        .env("BOOTLOADER_INSTALL", "none"))
    .refused(&["/nonexistent"]);
    let empty = case.image.place().join("empty");
    fs::create_dir(&empty).unwrap();
    for (tree, part) in [
        ("/nonexistent", "/nonexistent"),
        ("/etc/passwd", "is not a directory"),
        (empty.to_str().unwrap(), "is empty"),
    ] {
        let mut write = command("rawdisk-write");
        run(write.arg(tree).arg(case.image.place().join("new.img")).env("DISK_SIZE", "512M"))
            .refused(&[part]);
    }
    assert_eq!(run(command("rawdisk-write").arg("one")).code, 2);
}

#[test]
fn a_disk_that_fills_up_leaves_no_image() {
    let case = Case::new();
    // The host's filesystem is too small for what the image is to hold.
    let place = case.image.place().join("small");
    fs::create_dir(&place).unwrap();
    shell("mount", &["-t", "tmpfs", "-o", "size=24M", "tmpfs", place.to_str().unwrap()]);
    let big = File::create(case.tree.join("big")).unwrap();
    std::io::copy(&mut std::io::Read::take(File::open("/dev/urandom").unwrap(), 64 << 20), &mut &big)
        .unwrap();
    let mut write = command("rawdisk-write");
    let done = run(write
        .arg(&case.tree)
        .arg(place.join("disk.img"))
        .env("DISK_SIZE", "512M")
        .env("BOOTLOADER_INSTALL", "none"));
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    shell("umount", &[place.to_str().unwrap()]);
}

#[test]
fn a_file_that_shrinks_while_it_is_copied() {
    let case = Case::new();
    let large = case.tree.join("large");
    fs::write(&large, vec![1; 8 << 20]).unwrap();
    // Stopped when it has found out where the data of the file are, and has read none of them.
    let log = case.tree.with_file_name("strace.log");
    let child = Command::new("strace")
        .args(["-f", "-e", "inject=lseek:signal=SIGSTOP:when=1", "-P"])
        .args([&large, Path::new("-o"), &log])
        .arg(path("rawdisk-write"))
        .args([&case.tree, &case.image.path()])
        .envs([("BOOTLOADER_INSTALL", "none"), ("DISK_SIZE", "512M")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let process = loop {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains("stopped by SIGSTOP")) {
            break line.split_whitespace().next().unwrap().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the file is never copied: {text}");
        std::thread::sleep(Duration::from_millis(5));
    };
    fs::remove_file(&log).unwrap();
    File::options().write(true).open(&large).unwrap().set_len(1 << 20).unwrap();
    shell("kill", &["-CONT", &process]);
    let done = Done::from(child.wait_with_output().unwrap());
    done.refused(&["large", "changed while it was being copied"]);
    fs::remove_file(&large).unwrap();
    case.left_nothing();
}

#[test]
fn check_refuses_early_and_changes_nothing() {
    let image = Image::to_be();
    let check = |variables: &[(&str, &str)]| {
        run(command("rawdisk-check")
            .arg(image.path())
            .env("BOOTLOADER_INSTALL", "none")
            .envs(variables.iter().copied()))
    };
    assert_eq!(check(&[("DISK_SIZE", "4G")]).ok(), "");
    assert!(!image.path().exists());
    check(&[]).refused(&["DISK_SIZE is not set"]);
    check(&[("DISK_SIZE", "4G"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", "/nonexistent.yaml")])
        .refused(&["/nonexistent.yaml"]);
    check(&[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]).refused(&["disk.img"]);
    let blank = Image::blank(64);
    let done = run(command("rawdisk-check")
        .arg(blank.path())
        .envs([("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]));
    done.refused(&["holds no btrfs filesystem"]);
}
