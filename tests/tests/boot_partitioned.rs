//! Partitioned disks boot and are upgraded from inside; one has `/boot` on a FAT and rolls back, one compresses everything: what boot loaders
//! read is written plain. `boot_trial` has `/boot` on an ext4.
//!
//! Pace: boots machines, begun first

use std::fs;

use baserock_tests::bootable;
use baserock_tests::image::Image;
use baserock_tests::machine::Machine;

const BOOT_ON_FAT: &str = "\
partition_table_format: mbr
partitions:
  - {description: boot, size: 512M, fdisk_type: 0x0c, filesystem: vfat, mountpoint: /boot, boot: yes}
  - {size: fill, filesystem: btrfs, mountpoint: /}
  - {size: 64M, fdisk_type: 0x82, filesystem: swap}
";

const LEGACY_GPT: &str =
    "partitions: [{description: system, size: fill, filesystem: btrfs, mountpoint: /, boot: yes}]\n";

#[test]
fn booted_mbr_with_boot_on_fat() {
    let boot = Some("vfat");
    let (_image, mut machine) = upgraded(BOOT_ON_FAT, boot, |_| {});
    machine.run("system-version-manager set-default factory");
    machine.reboot();
    running(&machine, "factory", boot);
    machine.run("system-version-manager remove devel");
    assert_eq!(machine.run("ls /boot/systems"), "factory");
}

/// A volume that compresses everything.
const COMPRESSED: &str = "defaults,rw,noatime,compress-force=zstd";

#[test]
fn booted_gpt_with_legacy_boot_code_and_compression_forced() {
    let (_image, machine) = upgraded(LEGACY_GPT, None, |machine| {
        machine.run(&format!("sed -i 's|^\\(UUID=[^ ]* / btrfs \\)[^ ]*|\\1{COMPRESSED}|' /etc/fstab"));
        machine.run(&format!("mount -o remount,{COMPRESSED} /"));
    });
    assert!(machine.run("findmnt -no OPTIONS /").contains("compress-force=zstd:3"));
}

/// A machine with such a disk, changed, then upgraded from inside.
fn upgraded(partition_file: &str, boot: Option<&str>, change: impl Fn(&Machine)) -> (Image, Machine) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("disk.yaml");
    fs::write(&file, partition_file).unwrap();
    let variables =
        [("DISK_SIZE", "6G"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())];
    let image = bootable::with_second(&variables);
    let mut machine = Machine::boot(&image.path());
    running(&machine, "factory", boot);
    change(&machine);

    bootable::put_version(&machine, "devel");
    machine
        .run("system-version-manager deploy /systems/devel/orig && system-version-manager set-default devel");
    machine.reboot();
    running(&machine, "devel", boot);
    (image, machine)
}

/// The version runs, and its boot files are where the loader took them from.
fn running(machine: &Machine, label: &str, boot: Option<&str>) {
    assert_eq!(machine.run("system-version-manager get-running"), label);
    assert_eq!(machine.run("findmnt -no FSTYPE /boot || true"), boot.unwrap_or_default());
    if boot.is_some() {
        assert!(machine.run("swapon --show=NAME --noheadings").starts_with("/dev/vda3"));
        machine.run(&format!("test -s /boot/systems/{label}/kernel"));
    }
}
