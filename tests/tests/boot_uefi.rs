//! A disk for BIOS and for UEFI. Under UEFI GRUB reads the menu of the volume, and a version on trial is booted once.
//!
//! Pace: boots machines

use std::fs;
use std::path::Path;

use baserock_tests::image::{Mounted, boot_at, volume_offset};
use baserock_tests::inputs::Debian;
use baserock_tests::machine::Firmware;
use baserock_tests::programs::{command, run};
use baserock_tests::small_guest::{self, Tree};
use baserock_tests::trees::memory;
use baserock_tests::version::manage_at;

const TRY: [&str; 3] = ["try", "devel", "--without-units"];

/// A disk with an EFI system partition.
const PARTITIONS: &str = "partitions: [{size: 64M, filesystem: vfat, fdisk_type: 0xef}, \
                          {size: fill, filesystem: btrfs, mountpoint: /, boot: yes}]\n";

/// Makes the kernel of devel one that no loader starts.
fn put_no_kernel(disk: &Path) {
    let place = boot_at(disk).unwrap_or_else(|| Mounted::at(disk, volume_offset(disk), "subvolid=5"));
    fs::write(place.path().join("systems/devel/kernel"), vec![0; 1 << 20]).unwrap();
}

/// The label of what boots.
fn boots(disk: &Path, firmware: Firmware) -> String {
    small_guest::boot_by(firmware, disk).unwrap().label
}

#[test]
fn an_arm_disk_made_here_boots_by_uefi_and_by_u_boot() {
    let place = memory();
    let disk = place.path().join("disk.img");
    run(command("rawdisk-write").arg(Tree::for_arm("first").path()).arg(&disk).env("DISK_SIZE", "640M")).ok();
    assert_eq!(boots(&disk, Firmware::UefiArm), "factory");
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel")];
    run(command("rawdisk-write").arg(Tree::for_arm("second").path()).arg(&disk).envs(upgrade)).ok();
    manage_at(&disk, &["set-default", "factory"]).ok();
    for firmware in [Firmware::UefiArm, Firmware::UbootArm] {
        manage_at(&disk, &TRY).ok();
        assert_eq!(boots(&disk, firmware), "devel");
        assert_eq!(boots(&disk, firmware), "factory", "GRUB has forgotten it");
    }
    manage_at(&disk, &["set-default", "devel"]).ok();
    assert_eq!(boots(&disk, Firmware::UefiArm), "devel");
    // A kernel that is no kernel: the loader goes on with the default, in the same boot.
    manage_at(&disk, &["set-default", "factory"]).ok();
    manage_at(&disk, &TRY).ok();
    put_no_kernel(&disk);
    assert_eq!(boots(&disk, Firmware::UbootArm), "factory");
}

#[test]
fn a_board_without_uefi_comes_back_from_a_trial() {
    let place = memory();
    let disk = place.path().join("disk.img");
    let new = [("DISK_SIZE", "1G"), ("BOOTLOADER_INSTALL", "uboot")];
    run(command("rawdisk-write").arg(Tree::for_arm("first").path()).arg(&disk).envs(new)).ok();
    assert_eq!(boots(&disk, Firmware::UbootArm), "factory");
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel")];
    run(command("rawdisk-write").arg(Tree::for_arm("second").path()).arg(&disk).envs(upgrade)).ok();
    assert_eq!(boots(&disk, Firmware::UbootArm), "devel");
    manage_at(&disk, &["set-default", "factory"]).ok();
    manage_at(&disk, &TRY).ok();
    assert_eq!(boots(&disk, Firmware::UbootArm), "devel");
    assert_eq!(boots(&disk, Firmware::UbootArm), "factory", "U-Boot has forgotten it");
    // A kernel that is no kernel: U-Boot goes on with the default, in the same boot.
    manage_at(&disk, &TRY).ok();
    put_no_kernel(&disk);
    assert_eq!(boots(&disk, Firmware::UbootArm), "factory");
}

#[test]
fn one_disk_boots_by_bios_and_by_uefi_and_comes_back_from_a_trial() {
    let (factory, devel) = (Tree::new(Debian::Release, "first"), Tree::new(Debian::Updated, "second"));
    let place = memory();
    let disk = place.path().join("disk.img");
    // It boots by BIOS, and is converted.
    let partitions = place.path().join("disk.yaml");
    fs::write(&partitions, PARTITIONS).unwrap();
    let mut write = command("rawdisk-write");
    write.envs([("DISK_SIZE", "640M"), ("USE_PARTITIONING", "yes")]).env("PARTITION_FILE", &partitions);
    run(write.arg(factory.path()).arg(&disk)).ok();
    manage_at(&disk, &["install-bootloader", "grub-efi"]).ok();
    assert_eq!(boots(&disk, Firmware::Uefi), "factory");
    assert_eq!(boots(&disk, Firmware::Bios), "factory");
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel")];
    run(command("rawdisk-write").arg(devel.path()).arg(&disk).envs(upgrade)).ok();
    assert_eq!(boots(&disk, Firmware::Uefi), "devel");
    manage_at(&disk, &["set-default", "factory"]).ok();

    manage_at(&disk, &TRY).ok();
    assert_eq!(boots(&disk, Firmware::Uefi), "devel");
    assert_eq!(boots(&disk, Firmware::Uefi), "factory", "GRUB has forgotten it");
    let list = manage_at(&disk, &["list"]).succeeded();
    assert!(list.stderr.contains("trial of devel: the machine came back from it"), "{}", list.stderr);
    // The next operation takes from extlinux what GRUB has booted.
    manage_at(&disk, &["set-default", "factory"]).ok();
    assert_eq!(boots(&disk, Firmware::Bios), "factory");

    // A kernel that is no kernel: the loader goes on with the default, in the same boot.
    manage_at(&disk, &TRY).ok();
    put_no_kernel(&disk);
    assert_eq!(boots(&disk, Firmware::Uefi), "factory");
}
