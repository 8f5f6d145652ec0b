//! Disks as `rawdisk.write` makes them: tables, filesystems, what is where.
//!
//! Pace: seconds

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use baserock_tests::image::Image;
use baserock_tests::image::volume_offset;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use nix::mount::MsFlags;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::partitions;

/// A copy of the small tree that a test may change.
fn tree(place: &Path) -> PathBuf {
    let tree = place.join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    tree
}

fn write(tree: &Path, location: &Path, variables: &[(&str, &str)]) -> Done {
    let mut write = command("rawdisk-write");
    run(write.args([tree, location]).env("BOOTLOADER_INSTALL", "none").envs(variables.iter().copied()))
}

fn partitioned(image: &Image, file: &str, variables: &[(&str, &str)]) -> Done {
    let path = image.place().join("disk.yaml");
    fs::write(&path, file).unwrap();
    let mut all = vec![("USE_PARTITIONING", "yes"), ("PARTITION_FILE", path.to_str().unwrap())];
    all.extend(variables);
    write(&tree(image.place()), &image.path(), &all)
}

const EVERYTHING: &str = "\
partition_table_format: mbr
start_offset: 4096
partitions:
  - {size: 64M, fdisk_type: 0x0c, filesystem: vfat, mountpoint: /boot, boot: yes, number: 3}
  - {size: fill, filesystem: btrfs, mountpoint: /}
  - {size: 32M, fdisk_type: 0x83, filesystem: ext4, mountpoint: /srv/data}
  - size: 1M
    fdisk_type: none
    filesystem: none
    raw_files: [{file: boot/vmlinuz, offset_bytes: 4K, skip_bytes: 2, count_bytes: 6}]
raw_files: [{file: etc/hostname, offset_sectors: 2}]
";

#[test]
fn everything_that_a_partition_file_can_say() {
    let image = Image::to_be();
    let more = image.place().join("tree/srv/data");
    let tree = tree(image.place());
    fs::create_dir_all(&more).unwrap();
    fs::write(more.join("file"), "data").unwrap();
    let yaml = image.place().join("disk.yaml");
    fs::write(&yaml, EVERYTHING).unwrap();
    let variables = [
        ("USE_PARTITIONING", "yes"),
        ("PARTITION_FILE", yaml.to_str().unwrap()),
        ("DISK_SIZE", "512M"),
        ("BOOTLOADER_INSTALL", "extlinux"),
    ];
    write(&tree, &image.path(), &variables).ok();

    let path = image.path();
    let table = shell("sfdisk", &["--dump", path.to_str().unwrap()]);
    for line in [
        "disk.img3 : start=        4096, size=      131072, type=c, bootable",
        "disk.img1 : start=      135168,",
        "type=81",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
    assert!(shell("sfdisk", &["--verify", path.to_str().unwrap()]).contains("No errors detected"));
    let disk = File::open(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 256 << 20, "the image is sparse");

    let raw = |offset: u64, size: usize| {
        let mut bytes = vec![0; size];
        disk.read_exact_at(&mut bytes, offset).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(raw(1024, 9), "baserock\n");
    let table = partitions::read(&disk, &path).unwrap();
    let last = table.iter().map(|partition| partition.start + partition.size).max().unwrap();
    assert_eq!(raw(last + 4096, 8), "kernel\0\0");

    let volume = image.mount_at(volume_offset(&path), "subvolid=5");
    let read = |name: &str| fs::read_to_string(volume.path().join(name)).unwrap();
    let fstab = read("systems/factory/run/etc/fstab");
    let of = |number: u32| &table.iter().find(|partition| partition.number == number).unwrap().part_uuid;
    assert!(fstab.contains(&format!("PARTUUID={} /boot vfat", of(3))), "{fstab}");
    assert!(fstab.contains(&format!("PARTUUID={} /srv/data ext4", of(2))), "{fstab}");
    assert_eq!(read("systems/factory/orig/srv/data/file"), "data");
    assert_eq!(fs::read_dir(volume.path().join("systems/factory/run/boot")).unwrap().count(), 0);
    drop(volume);

    let list = run(command("system-version-manager").arg("--volume").arg(&path).arg("list")).ok();
    assert_eq!(list, "factory (default)\n");

    let ext4 = table.iter().find(|partition| partition.number == 2).unwrap();
    let device = LoopDevice::attach(&disk, &path, ext4.start, ext4.size, true).unwrap();
    assert!(shell("debugfs", &["-R", "cat file", device.path().to_str().unwrap()]).contains("data"));
    let fat = table.iter().find(|partition| partition.number == 3).unwrap();
    let device = LoopDevice::attach(&disk, &path, fat.start, fat.size, true).unwrap();
    let names = shell("mdir", &["-/", "-b", "-a", "-i", device.path().to_str().unwrap(), "::"]);
    for name in
        ["vmlinuz", "systems/factory/kernel", "extlinux/extlinux.conf", "extlinux/menu.c32", "ldlinux.sys"]
    {
        assert!(names.contains(name), "{name}: {names}");
    }
    shell("fsck.vfat", &["-n", device.path().to_str().unwrap()]);
}

#[test]
fn the_default_partitions_are_one_bootable_btrfs() {
    let image = Image::to_be();
    let tree = tree(image.place());
    let variables = [("USE_PARTITIONING", "YES"), ("DISK_SIZE", "512M"), ("INITRAMFS_PATH", "")];
    write(&tree, &image.path(), &variables).ok();
    let table = shell("sfdisk", &["--dump", image.path().to_str().unwrap()]);
    assert!(
        table.contains("label: dos")
            && table.contains("disk.img1 : start=        2048, size=     1046528, type=81, bootable"),
        "{table}"
    );
    let menu = fs::read_to_string(image.mount_at(1 << 20, "").path().join("extlinux.conf")).unwrap();
    let part_uuid =
        &partitions::read(&File::open(image.path()).unwrap(), Path::new("disk")).unwrap()[0].part_uuid;
    assert!(
        menu.contains(&format!("root=PARTUUID={part_uuid}")),
        "without an initramfs the kernel finds nothing else: {menu}"
    );
}

#[test]
fn boards_get_a_menu_and_no_loader() {
    let image = Image::to_be();
    let tree = tree(image.place());
    fs::write(tree.join("boot/board.dtb"), "device tree").unwrap();
    let variables = [
        ("DISK_SIZE", "512M"),
        ("DTB_PATH", "/boot/board.dtb"),
        ("ROOT_DEVICE", "/dev/mmcblk0"),
        ("BOOTLOADER_CONFIG_FORMAT", "extlinux"),
    ];
    write(&tree, &image.path(), &variables).ok();
    let mounted = image.mount("");
    let menu = fs::read_to_string(mounted.path().join("extlinux/extlinux.conf")).unwrap();
    assert!(menu.contains("fdt /systems/factory/dtb\n") && menu.contains("root=/dev/mmcblk0"), "{menu}");
    assert_eq!(fs::read_to_string(mounted.path().join("systems/factory/dtb")).unwrap(), "device tree");
    assert!(!mounted.path().join("menu.c32").exists());
}

#[test]
fn a_device_is_written_unless_it_is_in_use_or_holds_something() {
    let image = Image::blank(512);
    let tree = tree(image.place());
    let file = File::options().read(true).write(true).open(image.path()).unwrap();
    let device = LoopDevice::attach(&file, &image.path(), 0, 0, false).unwrap();
    write(&tree, device.path(), &[]).ok();
    write(&tree, device.path(), &[]).refused(&["holds something already (btrfs)", "FORCE=yes"]);
    let mounted = baserock_tests::image::Mounted::of(device.path(), "");
    write(&tree, device.path(), &[("FORCE", "yes")]).refused(&["is in use", "unmount"]);
    drop(mounted);
    write(&tree, device.path(), &[("FORCE", "yes"), ("USE_PARTITIONING", "yes")]).ok();
    let list = run(command("system-version-manager").arg("--volume").arg(device.path()).arg("list")).ok();
    assert_eq!(list, "factory (default)\n");
}

/// Table, UUIDs, menu, and the metadata of everything on the volume.
fn everything(image: &Image) -> String {
    let path = image.path();
    let table = shell("sfdisk", &["--dump", path.to_str().unwrap()]).replace(path.to_str().unwrap(), "");
    let disk = File::open(&path).unwrap();
    let uuids = partitions::read(&disk, &path).unwrap().into_iter().map(|partition| {
        let device = LoopDevice::attach(&disk, &path, partition.start, partition.size, true).unwrap();
        let tags = shell("blkid", &["--probe", "--output", "export", device.path().to_str().unwrap()]);
        // Where it was attached, and what btrfs calls its device, differ.
        tags.lines()
            .filter(|line| !line.starts_with("DEVNAME") && !line.starts_with("UUID_SUB"))
            .collect::<Vec<_>>()
            .join(" ")
    });
    let uuids: Vec<_> = uuids.collect();
    let volume = image.mount_at(volume_offset(&path), "subvolid=5,ro");
    let files = shell("find", &[volume.path().to_str().unwrap(), "-printf", "%P %y %m %U %G %s %T@ %l\\n"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    format!("{table}{}\n{}", uuids.join("\n"), files.join("\n"))
}

#[test]
fn a_loader_in_the_first_sector_goes_around_the_table() {
    let image = Image::to_be();
    let loader: Vec<u8> = (0..4096_u32).map(|number| u8::try_from(number % 251 + 1).unwrap()).collect();
    fs::write(tree(image.place()).join("boot/spl"), &loader).unwrap();
    let file = |raw: &str| {
        format!(
            "partition_table_format: mbr\nstart_offset: 2048\nraw_files: [{raw}]\npartitions: [{{size: fill, filesystem: btrfs, mountpoint: /}}, {{size: 32M, filesystem: ext4, mountpoint: /srv/data}}]"
        )
    };
    let variables = [("DISK_SIZE", "512M"), ("BOOTLOADER_INSTALL", "none")];
    // A loader that fills the sector needs its place below the table said: nothing of the table is overwritten.
    partitioned(&image, &file("{file: boot/spl, offset_bytes: 0}"), &variables)
        .refused(&["boot/spl", "would overwrite the partition table"]);
    let parts = "{file: boot/spl, offset_bytes: 0, count_bytes: 446}, {file: boot/spl, offset_bytes: 512, skip_bytes: 512}";
    partitioned(&image, &file(parts), &variables).ok();
    let mut disk = vec![0; 4096];
    File::open(image.path()).unwrap().read_exact_at(&mut disk, 0).unwrap();
    assert_eq!(disk[..446], loader[..446]);
    // The loader has the bytes of the disk's id, from which the names of partitions are made.
    let id = u32::from_le_bytes(loader[440..444].try_into().unwrap());
    let volume = image.mount_at(volume_offset(&image.path()), "subvolid=5,ro");
    let fstab = fs::read_to_string(volume.path().join("systems/factory/run/etc/fstab")).unwrap();
    assert!(fstab.contains(&format!("PARTUUID={id:08x}-02 /srv/data")), "{fstab}");
    drop(volume);
    assert_eq!(disk[512..], loader[512..]);
    assert_eq!(disk[510..512], [0x55, 0xaa]);
    assert!(shell("sfdisk", &["--verify", image.path().to_str().unwrap()]).contains("No errors detected"));
    let list = run(command("system-version-manager").arg("--volume").arg(image.path()).arg("list")).ok();
    assert_eq!(list, "factory (default)\n");
}

#[test]
fn the_same_input_makes_the_same_disk() {
    let file = EVERYTHING.replace("partition_table_format: mbr", "partition_table_format: gpt");
    let file = file.replace("offset_sectors: 2", "offset_sectors: 40");
    let make = |epoch: &str| {
        let image = Image::to_be();
        partitioned(&image, &file, &[("DISK_SIZE", "512M"), ("SOURCE_DATE_EPOCH", epoch)]).ok();
        let found = everything(&image);
        image.wait_until_detached();
        found
    };
    let (one, other) = (make("1700000000"), make("1700000000"));
    for (left, right) in one.lines().zip(other.lines()) {
        assert_eq!(left, right);
    }
    assert_eq!(one, other);
    assert_ne!(one, make("1700000001"));
}

/// A part of an image that is mounted for this test alone.
fn part(image: &Path, start: u64, kind: &str) -> PrivateMount {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let device = LoopDevice::attach(&file, image, start, 0, false).unwrap();
    PrivateMount::new(device.path(), kind, MsFlags::MS_RDONLY, "").unwrap()
}

#[test]
fn a_disk_with_large_sectors_has_a_table_in_its_own() {
    for (format, mountpoints) in [("gpt", ["/boot", "/"]), ("mbr", ["/boot", "/"])] {
        let image = Image::blank(512);
        let place = image.path();
        let attached =
            shell("losetup", &["--find", "--show", "--sector-size", "4096", place.to_str().unwrap()]);
        let device = attached.trim();
        let yaml = image.place().join("disk.yaml");
        let [boot, root] = mountpoints;
        let text = format!(
            "partition_table_format: {format}\npartitions:\n- {{size: 33M, filesystem: ext4, mountpoint: {boot}}}\n\
             - {{size: fill, filesystem: btrfs, mountpoint: {root}}}\n"
        );
        fs::write(&yaml, text).unwrap();
        let variables = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", yaml.to_str().unwrap())];
        let tree = inputs::busybox().unwrap();
        write(&tree, Path::new(device), &[&variables[..], &[("BOOTLOADER_INSTALL", "extlinux")]].concat())
            .refused(&["sectors of 4096 bytes", "BOOTLOADER_INSTALL=grub-efi, or none"]);
        write(&tree, Path::new(device), &variables).ok();
        let list =
            |volume: &str| run(command("system-version-manager").args(["--volume", volume, "list"])).ok();
        assert_eq!(list(device), "factory (default)\n");
        // The kernel and sfdisk read it as it is.
        let table = shell("sfdisk", &["--dump", device]);
        let starts: Vec<u64> = table
            .lines()
            .filter_map(|line| line.split("start=").nth(1)?.split(',').next()?.trim().parse().ok())
            .collect();
        assert_eq!(starts[0], 256, "{table}");
        shell("losetup", &["--detach", device]);
        image.wait_until_detached();
        assert!(part(&place, starts[0] * 4096, "ext4").path().join("extlinux/extlinux.conf").exists());
        assert!(part(&place, starts[1] * 4096, "btrfs").path().join("systems/factory/run").exists());
        if format == "gpt" {
            assert_eq!(list(place.to_str().unwrap()), "factory (default)\n", "a copy of the disk");
        }
    }
}

#[test]
fn an_image_on_a_filesystem_without_nameless_files() {
    let image = Image::to_be();
    let [real, fuse] = ["real", "fuse"].map(|name| image.place().join(name));
    for place in [&real, &fuse] {
        fs::create_dir(place).unwrap();
    }
    let _mounted = Fuse::mount(&real, &fuse);
    let tree = inputs::busybox().unwrap();
    // FUSE keeps a removed file until the kernel has let go of the loop device, which it does a moment later.
    let is_hidden = |name: &OsString| name.as_bytes().starts_with(b".fuse_hidden");
    let all = || fs::read_dir(&real).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let names = || {
        let begun = Instant::now();
        while all().iter().any(is_hidden) && begun.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(50));
        }
        all()
    };
    fs::write(real.join(".disk.img.new"), "left by a killed process").unwrap();
    write(&tree, &fuse.join("disk.img"), &[("DISK_SIZE", "512M")]).ok();
    assert_eq!(names(), ["disk.img"]);
    let list = run(command("system-version-manager").arg("--volume").arg(fuse.join("disk.img")).arg("list"));
    assert_eq!(list.ok(), "factory (default)\n");
    // A failure leaves nothing: there is no such filesystem.
    let yaml = image.place().join("disk.yaml");
    let text =
        "partitions: [{size: fill, filesystem: btrfs, mountpoint: /}, {size: 1M, filesystem: nonesuch}]";
    fs::write(&yaml, text).unwrap();
    let variables =
        [("DISK_SIZE", "512M"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", yaml.to_str().unwrap())];
    write(&tree, &fuse.join("other.img"), &variables).refused(&["mkfs.nonesuch"]);
    assert_eq!(names(), ["disk.img"]);
    // Somebody is making it.
    let _other = File::create(fuse.join(".third.img.new")).unwrap();
    write(&tree, &fuse.join("third.img"), &[("DISK_SIZE", "512M")]).refused(&["third.img.new is in use by"]);
}

/// A folder that FUSE shows in another place, until this is dropped.
struct Fuse(PathBuf);

impl Fuse {
    fn mount(real: &Path, place: &Path) -> Self {
        shell("bindfs", &[real.to_str().unwrap(), place.to_str().unwrap()]);
        Fuse(place.to_owned())
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        shell("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}
