//! Volumes as the original tools laid them out boot and are upgraded: one from inside, and rolled back.
//!
//! Pace: boots machines

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use baserock_tests::bootable;
use baserock_tests::image::Image;
use baserock_tests::inputs::Debian;
use baserock_tests::machine::Machine;
use baserock_tests::programs::{command, run};
use baserock_tests::small_guest::{self, Tree};
use baserock_tests::version::manage;
use system::btrfs::{self, Access};
use system::superblock;

/// The menu that the original wrote: one entry, over the link.
const MENU: &str = "default linux\ntimeout 1\nlabel linux\nkernel /systems/default/kernel\n\
                    initrd /systems/default/initramfs\n\
                    append root=ROOT rootfstype=btrfs rootflags=subvol=systems/default/run console=ttyS0 rw init=/sbin/init\n";

/// Takes away what is ours, and puts the original's in its place.
fn make_original(image: &Image, menu_is_a_file: bool) {
    let file = fs::File::open(image.path()).unwrap();
    let uuid = superblock::read(&file, 0, &image.path()).unwrap().unwrap().uuid;
    let mounted = image.mount("subvolid=5");
    let (top, path) = (mounted.dir(), mounted.path());
    fs::remove_dir_all(path.join(".baserock")).unwrap();
    fs::remove_dir_all(path.join("extlinux")).unwrap();
    fs::remove_file(path.join("extlinux.conf")).unwrap();
    let version = top.dir("systems/factory").unwrap();
    for name in ["boot.json", "manifest", "merge.json"] {
        version.remove_tree(name).unwrap();
    }
    // The original left `orig` writable.
    btrfs::set_access(&version.dir("orig").unwrap(), Access::Writable).unwrap();
    let menu = MENU.replace("ROOT", &format!("UUID={uuid}"));
    fs::write(path.join("extlinux.conf"), menu).unwrap();
    if !menu_is_a_file {
        fs::create_dir(path.join("extlinux")).unwrap();
        fs::rename(path.join("extlinux.conf"), path.join("extlinux/extlinux.conf")).unwrap();
        symlink("extlinux/extlinux.conf", path.join("extlinux.conf")).unwrap();
    }
    assert_eq!(fs::read_link(path.join("systems/default")).unwrap(), Path::new("factory"));
}

#[test]
fn booted_from_a_volume_of_the_original_and_upgraded_from_inside() {
    let image = bootable::with_second(&[("DISK_SIZE", "6G")]);
    make_original(&image, false);
    let mut machine = Machine::boot(&image.path());
    assert!(machine.run("cat /proc/cmdline").contains("subvol=systems/default/run"));
    assert_eq!(machine.run("system-version-manager list"), "factory (running) (default)");

    bootable::put_version(&machine, "devel");
    machine
        .run("system-version-manager deploy /systems/devel/orig && system-version-manager set-default devel");
    machine.reboot();
    assert_eq!(machine.run("system-version-manager list"), "devel (running) (default)\nfactory");
    machine.run("mount -o subvolid=5 /dev/vda /mnt");
    assert_eq!(machine.run("readlink /mnt/extlinux.conf"), "extlinux/extlinux.conf");
    machine.run("umount /mnt && system-version-manager set-default factory");
    machine.reboot();
    assert_eq!(machine.run("system-version-manager list"), "devel\nfactory (running) (default)");
    assert!(machine.run("cat /proc/cmdline").contains("subvol=systems/factory/run"));
}

/// Makes the tree the `orig` of a version devel.
fn put_devel(image: &Image, tree: &Tree) {
    let mounted = image.mount("subvolid=5");
    let top = mounted.dir();
    top.make_dir("systems/devel", 0o755).unwrap();
    btrfs::create(&top.dir("systems/devel").unwrap(), "orig").unwrap();
    let orig = mounted.path().join("systems/devel/orig");
    run(Command::new("cp").arg("-a").arg(tree.path().join(".")).arg(orig)).ok();
}

#[test]
fn booted_from_one_whose_menu_became_a_file_and_was_upgraded() {
    let (factory, devel) = (Tree::new(Debian::Release, "first"), Tree::new(Debian::Updated, "second"));
    let image = Image::to_be();
    run(command("rawdisk-write").arg(factory.path()).arg(image.path()).env("DISK_SIZE", "512M")).ok();
    make_original(&image, true);
    put_devel(&image, &devel);
    for arguments in [["deploy", "/systems/devel/orig"], ["set-default", "devel"]] {
        image.wait_until_detached();
        manage(&image, &arguments).ok();
    }
    image.wait_until_detached();
    assert_eq!(small_guest::boot(&image.path()).unwrap().label, "devel");
    let mounted = image.mount("subvolid=5");
    assert_eq!(
        fs::read_link(mounted.path().join("extlinux.conf")).unwrap(),
        Path::new("extlinux/extlinux.conf")
    );
}
