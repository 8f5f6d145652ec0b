//! Volumes as people have them: on images that cannot be written, as mounted directories with a `/boot` elsewhere, worked on in a plain chroot,
//! with versions of which something cannot be read.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use baserock_tests::disk::{self, Disk};
use baserock_tests::image::{Image, Mounted, volume_offset};
use baserock_tests::programs::{Done, command, path, run, shell};
use baserock_tests::trees::Trees;
use baserock_tests::version::{config_sync, factory_image, manage, manage_at, put_tree};
use nix::mount::{MsFlags, mount};
use system::loopdev::LoopDevice;
use system::mount::leave_shared_namespace;
use system::partitions;

/// An image with a version that can be removed.
fn with_devel() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

#[test]
fn an_image_that_cannot_be_written_can_be_looked_at() {
    let image = with_devel();
    let look_only = |reason: &str| {
        assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
        assert!(manage(&image, &["verify", "factory"]).ok().contains("factory: whole"));
        for change in
            [&["set-default", "devel"][..], &["remove", "devel"], &["deploy", "/systems/devel/orig"]]
        {
            manage(&image, change).refused(&["disk.img is read-only", reason]);
        }
        config_sync(&image, &["sync", "factory"]).refused(&["disk.img is read-only"]);
    };
    fs::set_permissions(image.path(), fs::Permissions::from_mode(0o444)).unwrap();
    look_only("mode is 444");
    fs::set_permissions(image.path(), fs::Permissions::from_mode(0o644)).unwrap();
    shell("chattr", &["+i", image.path().to_str().unwrap()]);
    look_only("Operation not permitted");
    shell("chattr", &["-i", image.path().to_str().unwrap()]);
    leave_shared_namespace().unwrap();
    let place = image.place();
    mount(Some(place), place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, place, None::<&str>, flags, None::<&str>).unwrap();
    look_only("Read-only file system");
    nix::mount::umount2(place, nix::mount::MntFlags::MNT_DETACH).unwrap();
    manage(&image, &["set-default", "devel"]).ok();
}

#[test]
fn a_device_that_cannot_be_written_can_be_looked_at() {
    let image = with_devel();
    let file = File::open(image.path()).unwrap();
    let device = LoopDevice::attach(&file, &image.path(), 0, 0, true).unwrap();
    assert_eq!(manage_at(device.path(), &["list"]).ok(), "devel\nfactory (default)\n");
    manage_at(device.path(), &["set-default", "devel"]).refused(&["is read-only"]);
}

/// The image with a `/boot` of its own, a version to deploy in it, and the device of the whole disk.
fn with_boot(trees: &Trees) -> Image {
    let image = Image::to_be();
    run(&mut Disk::WithBoot.write(trees, &image.path(), 512)).ok();
    disk::put(trees, &image.path(), "devel");
    image
}

fn attach(image: &Path, offset: u64) -> LoopDevice {
    let file = File::options().read(true).write(true).open(image).unwrap();
    LoopDevice::attach(&file, image, offset, 0, false).unwrap()
}

#[test]
fn a_mounted_directory_whose_boot_is_not_found_is_changed_by_nobody() {
    let image = with_boot(&Trees::new());
    let device = attach(&image.path(), volume_offset(&image.path()));
    let mounted = Mounted::of(device.path(), "subvolid=5");
    let top = mounted.path();
    for change in [
        &["deploy", "/systems/devel/orig"][..],
        &["set-default", "factory"],
        &["remove", "factory", "--force"],
        &["verify", "--record", "factory"],
    ] {
        for volume in [top, device.path()] {
            manage_at(volume, change).refused(&["boot files", "on another filesystem", "/boot ext4"]);
        }
    }
    let names = fs::read_dir(top.join("systems/devel")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["orig"]);
    assert!(!top.join("extlinux").exists());
}

/// The kernel's devices for the partitions of a loop device, which are there until this is dropped.
struct Partitions(PathBuf);

impl Partitions {
    fn add(disk: &Path) -> Self {
        shell("partx", &["--add", disk.to_str().unwrap()]);
        Partitions(disk.to_owned())
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        shell("partx", &["--delete", self.0.to_str().unwrap()]);
    }
}

#[test]
fn the_boot_of_a_mounted_directory_is_found_in_the_partition_beside_it() {
    let image = with_boot(&Trees::new());
    let disk = attach(&image.path(), 0);
    let node = |number: u32| format!("{}p{number}", disk.path().display());
    let partitions = Partitions::add(disk.path());
    {
        let mounted = Mounted::of(Path::new(&node(2)), "subvolid=5");
        assert_eq!(manage_at(mounted.path(), &["list"]).ok(), "factory (default)\n");
        manage_at(mounted.path(), &["deploy", "/systems/devel/orig"]).ok();
        assert!(
            !mounted.path().join("extlinux").exists()
                && !mounted.path().join("systems/devel/kernel").exists()
        );
    }
    assert_eq!(manage_at(Path::new(&node(2)), &["list"]).ok(), "devel\nfactory (default)\n");
    manage_at(Path::new(&node(2)), &["set-default", "devel"]).ok();
    drop(partitions);
    drop(disk);
    image.wait_until_detached();
    let boot = image.mount_boot().unwrap();
    let menu = fs::read_to_string(boot.path().join("extlinux/extlinux.conf")).unwrap();
    assert!(
        menu.contains("ontimeout devel\n") && boot.path().join("systems/devel/kernel").exists(),
        "{menu}"
    );
}

#[test]
fn the_boot_of_an_image_is_the_partition_that_fstab_names() {
    let trees = Trees::new();
    let image = with_boot(&trees);
    let first = partitions::read(&File::open(image.path()).unwrap(), &image.path()).unwrap().remove(0);
    let uuid = "11111111-2222-3333-4444-555555555552";
    {
        let file = File::options().read(true).write(true).open(image.path()).unwrap();
        let device = LoopDevice::attach(&file, &image.path(), first.start, first.size, false).unwrap();
        shell("tune2fs", &["-f", "-U", uuid, "-L", "my boot", device.path().to_str().unwrap()]);
    }
    image.wait_until_detached();
    // Volumes that rawdisk did not make have no list of their own.
    let fstab = |source: &str| {
        let mounted = image.mount("subvolid=5");
        let path = mounted.path().join(".baserock/fstab");
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
        let fstab = mounted.path().join("systems/factory/run/etc/fstab");
        let text = fs::read_to_string(&fstab).unwrap();
        let others = text.lines().filter(|line| !line.contains(" /boot ")).map(|line| format!("{line}\n"));
        fs::write(&fstab, format!("{source} /boot ext4 defaults 0 2\n{}", others.collect::<String>()))
            .unwrap();
    };
    for source in [
        format!("/dev/disk/by-uuid/{uuid}"),
        format!("UUID={uuid}"),
        "LABEL=my\\040boot".to_owned(),
        "/dev/disk/by-label/my\\x20boot".to_owned(),
        format!("/dev/disk/by-partuuid/{}", first.part_uuid),
        "/dev/vda1".to_owned(),
        "/dev/nvme0n1p1".to_owned(),
    ] {
        fstab(&source);
        assert_eq!(manage(&image, &["list"]).stderr, "devel is not complete: it has no run\n", "{source}");
        manage(&image, &["set-default", "factory"]).ok();
    }
    for source in
        ["/dev/disk/by-uuid/aaaaaaaa-2222-3333-4444-555555555551", "/dev/mapper/vg-boot1", "/dev/loop1"]
    {
        fstab(source);
        manage(&image, &["deploy", "/systems/devel/orig"]).refused(&["/boot is on no partition", source]);
    }
}

/// A plain chroot as build tools make it: a folder of the machine, with /proc and /dev.
fn in_chroot(place: &Path, program: &str, arguments: &[&str]) -> Done {
    let mut chroot = Command::new("chroot");
    run(chroot.arg(place).arg(format!("/bin/{program}")).args(arguments))
}

#[test]
fn the_programs_work_in_a_plain_chroot() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    let place = image.place().join("chroot");
    for folder in ["bin", "proc", "dev", "run", "tmp"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    for program in ["system-version-manager", "baserock-system-config-sync", "enter-baserock"] {
        fs::copy(path(program), place.join("bin").join(program)).unwrap();
    }
    fs::rename(image.path(), place.join("disk.img")).unwrap();
    leave_shared_namespace().unwrap();
    for folder in ["proc", "dev"] {
        let target = place.join(folder);
        let source = Path::new("/").join(folder);
        mount(Some(&source), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
    let before = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let manage = |arguments: &[&str]| {
        in_chroot(&place, "system-version-manager", &[&["--volume", "disk.img"], arguments].concat())
    };
    assert_eq!(manage(&["list"]).stdout, "factory (default)\n");
    manage(&["deploy", "/systems/devel/orig"]).ok();
    manage(&["set-default", "devel"]).ok();
    let sync = ["--volume", "/disk.img", "merge", "--dry-run", "factory", "devel"];
    in_chroot(&place, "baserock-system-config-sync", &sync).ok();
    let enter = ["--volume", "/disk.img", "--version=devel", "--", "/bin/busybox", "ls", "/"];
    let inside = in_chroot(&place, "enter-baserock", &enter).ok();
    assert!(inside.contains("boot\n") && !inside.contains("disk.img"), "{inside}");
    assert_eq!(manage(&["list"]).ok(), "devel (default)\nfactory\n");
    manage(&["get-running"]).refused(&["no version of disk.img is running"]);
    assert_eq!(fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before, "a mount came out of it");
}

#[test]
fn what_cannot_be_read_of_one_version_is_named_and_leaves_the_others_usable() {
    let image = with_devel();
    put_tree(&image, "third", |_| {});
    manage(&image, &["deploy", "/systems/third/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path().to_owned();
    let record = top.join("systems/devel/boot.json");
    fs::remove_file(&record).unwrap();
    for make in [
        &|| fs::create_dir(&record).unwrap(),
        &|| File::create(&record).unwrap().set_len(1 << 30).unwrap(),
        &|| std::os::unix::fs::symlink("loop", &record).unwrap(),
    ] as [&dyn Fn(); 3]
    {
        make();
        let listed = manage_at(&top, &["list"]);
        assert!(listed.stderr.starts_with("devel is not complete: "), "{}", listed.stderr);
        assert_eq!(listed.ok(), "factory (default)\nthird\n");
        manage_at(&top, &["set-default", "third"]).ok();
        manage_at(&top, &["set-default", "factory"]).ok();
        let verified = manage_at(&top, &["verify"]);
        assert!(verified.stdout.contains("factory: whole"), "{}", verified.stdout);
        shell("rm", &["-r", record.to_str().unwrap()]);
    }
}

#[test]
fn a_partition_for_a_shared_directory_is_mounted_there_alone() {
    let image = Image::to_be();
    let yaml = image.place().join("disk.yaml");
    let text = "partitions:\n- {size: fill, filesystem: btrfs, mountpoint: /}\n\
                - {size: 32M, filesystem: ext4, mountpoint: /home}\n";
    fs::write(&yaml, text).unwrap();
    let mut write = command("rawdisk-write");
    write.arg(baserock_tests::inputs::busybox().unwrap()).arg(image.path());
    write.env("USE_PARTITIONING", "yes").env("PARTITION_FILE", &yaml);
    run(write.env("DISK_SIZE", "512M").env("BOOTLOADER_INSTALL", "none")).ok();
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    for label in ["factory", "devel"] {
        let fstab = mounted.path().join("systems").join(label).join("run/etc/fstab");
        let text = fs::read_to_string(fstab).unwrap();
        let home: Vec<_> = text.lines().filter(|line| line.contains(" /home ")).collect();
        assert!(
            matches!(home[..], [line] if line.starts_with("PARTUUID=") && line.contains("ext4")),
            "{text}"
        );
        assert!(text.contains(" /var btrfs "), "{text}");
    }
}
