//! GRUB on an EFI system partition: what is put there, what a trial writes, and what is refused. `boot_uefi` boots it.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use baserock::boot::environment::Environment;
use baserock_tests::esp::{BLOCK, Esp};
use baserock_tests::image::{Image, volume_offset};
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::manage;

const TRY: [&str; 3] = ["try", "devel", "--without-units"];

/// A disk with GRUB, that has factory, the default, and devel.
fn disk() -> Image {
    let image = Image::to_be();
    write(&image, &[("DISK_SIZE", "512M"), ("BOOTLOADER_INSTALL", "grub-efi")]).ok();
    write(&image, &[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]).ok();
    manage(&image, &["set-default", "factory"]).ok();
    image
}

fn write(image: &Image, variables: &[(&str, &str)]) -> Done {
    let mut write = command("rawdisk-write");
    write.args([&inputs::busybox().unwrap(), &image.path()]).env("INITRAMFS_PATH", "");
    run(write.env("ROOT_DEVICE", "/dev/vda2").envs(variables.iter().copied()))
}

fn esp(image: &Image) -> Esp {
    Esp::of(&image.path()).expect("an EFI system partition")
}

fn once(image: &Image) -> Option<String> {
    esp(image).once()
}

fn trial_menu(image: &Image) -> Option<String> {
    let top = image.mount_at(volume_offset(&image.path()), "subvolid=5");
    fs::read_to_string(top.path().join("extlinux/trial.conf")).ok()
}

#[track_caller]
fn says(done: &Done, words: &str) {
    assert!(done.stderr.contains(words), "{words:?} is not in: {}", done.stderr);
}

#[test]
fn a_trial_is_a_word_on_the_esp_and_a_menu_on_the_volume() {
    let image = disk();
    assert_eq!(esp(&image).names(), ["EFI/BOOT/", "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grub.cfg", BLOCK]);
    assert!(esp(&image).read("EFI/BOOT/BOOTX64.EFI").unwrap().starts_with(b"MZ"));
    assert_eq!((once(&image), trial_menu(&image)), (None, None));
    manage(&image, &TRY).ok();
    assert_eq!(once(&image).as_deref(), Some("devel"));
    let menu = trial_menu(&image).unwrap();
    assert!(menu.starts_with("default devel\n") && menu.contains("baserock.trial=600"), "{menu}");
    assert_eq!(menu.matches("\nlabel ").count(), 2, "{menu}");
    says(&manage(&image, &["list"]).succeeded(), "trial of devel: it boots next, once");
    manage(&image, &["abandon"]).ok();
    assert_eq!((once(&image), trial_menu(&image)), (None, None));

    // The boot loader has taken the word: the machine is back.
    manage(&image, &TRY).ok();
    assert_eq!(esp(&image).take_once().as_deref(), Some("devel"));
    says(&manage(&image, &["list"]).succeeded(), "trial of devel: the machine came back from it");
    manage(&image, &["set-default", "factory"]).ok();
    assert_eq!(trial_menu(&image), None);

    // A block that is torn, or gone, boots the default, and serves again.
    for torn in [&[0; 1024][..], b"", b"# GRUB Environment Block\n"] {
        esp(&image).write(BLOCK, torn);
        let list = manage(&image, &["list"]).succeeded();
        assert!(!list.stderr.contains("boots next"), "{}", list.stderr);
        manage(&image, &TRY).ok();
        assert_eq!(once(&image).as_deref(), Some("devel"));
        manage(&image, &["abandon"]).ok();
    }
    esp(&image).tool("mdel", BLOCK);
    manage(&image, &TRY).ok();
    assert_eq!(once(&image).as_deref(), Some("devel"));
}

#[test]
fn a_loader_that_boots_another_volume_is_named_and_installed_again() {
    let image = disk();
    let script = String::from_utf8(esp(&image).read("EFI/BOOT/grub.cfg").unwrap()).unwrap();
    let uuid = script.lines().next().unwrap().rsplit(' ').next().unwrap().trim_end_matches('.').to_owned();
    let other = "11111111-2222-3333-4444-555555555555";
    esp(&image).write("EFI/BOOT/grub.cfg", script.replace(&uuid, other).as_bytes());
    manage(&image, &TRY).refused(&["just once", "boots another volume", other, "install-bootloader"]);
    manage(&image, &["install-bootloader"]).ok();
    assert_eq!(String::from_utf8(esp(&image).read("EFI/BOOT/grub.cfg").unwrap()).unwrap(), script);
    manage(&image, &TRY).ok();
}

#[test]
fn the_menu_is_written_anew_for_grub() {
    let image = disk();
    let menu = |change: &dyn Fn(&str) -> String| {
        let top = image.mount("subvolid=5");
        let path = top.path().join("extlinux/extlinux.conf");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(&text)).unwrap();
        text
    };
    // Another tool puts the default last; extlinux follows the name, and GRUB takes the first entry.
    let before = menu(&|text| {
        let entries: Vec<&str> = text.split("label ").collect();
        let [head, factory, devel] = entries[..] else { panic!("{text}") };
        assert!(factory.starts_with("factory\n") && head.ends_with("ontimeout factory\n"), "{text}");
        format!("{head}label {devel}label {factory}")
    });
    manage(&image, &["install-bootloader", "grub-efi"]).ok();
    assert_eq!(menu(&str::to_owned), before);

    // No version has an entry in a menu.
    let top = image.mount("subvolid=5");
    for label in ["factory", "devel"] {
        let record = top.path().join("systems").join(label).join("boot.json");
        let text = fs::read_to_string(&record).unwrap().replace("\"kernel\": true", "\"kernel\": false");
        fs::write(&record, text).unwrap();
    }
    fs::remove_dir_all(top.path().join("extlinux")).unwrap();
    fs::remove_file(top.path().join("extlinux.conf")).unwrap();
    drop(top);
    esp(&image).tool("mdel", "EFI/BOOT/grub.cfg");
    manage(&image, &["install-bootloader", "extlinux", "grub-efi"])
        .refused(&["has no boot menu", "BOOTLOADER_CONFIG_FORMAT=extlinux"]);
    assert_eq!(esp(&image).read("EFI/BOOT/grub.cfg"), None);
    assert!(!image.mount("subvolid=5").path().join("ldlinux.sys").exists());
}

#[test]
fn loaders_of_others_stay() {
    let image = disk();
    esp(&image).tool("mdeltree", "EFI/BOOT");
    esp(&image).tool("mmd", "EFI/BOOT");
    esp(&image).write("EFI/BOOT/BOOTX64.EFI", b"another loader");
    let said = manage(&image, &["install-bootloader", "grub-efi"]).succeeded();
    says(&said, "the firmware starts EFI/BOOT/BOOTX64.EFI, which stays");
    says(&said, r"--part 1 --label Baserock --loader '\EFI\baserock\BOOTX64.EFI'");
    assert_eq!(esp(&image).read("EFI/BOOT/BOOTX64.EFI").unwrap(), b"another loader");
    manage(&image, &TRY).ok();
    assert_eq!(Environment::parse(&esp(&image).read("EFI/baserock/grubenv").unwrap()).once(), Some("devel"));
}

#[test]
fn a_full_esp_is_left_as_it_is() {
    let image = disk();
    esp(&image).write("EFI/large", &vec![1; 62 << 20]);
    let (names, loader) = (esp(&image).names(), esp(&image).read("EFI/BOOT/BOOTX64.EFI").unwrap());
    manage(&image, &["install-bootloader"]).refused(&["the EFI system partition of", "KiB free", "needs"]);
    assert_eq!((esp(&image).names(), esp(&image).read("EFI/BOOT/BOOTX64.EFI").unwrap()), (names, loader));
}

#[test]
fn what_is_missing_is_named() {
    let plain = Image::to_be();
    write(&plain, &[("DISK_SIZE", "512M"), ("BOOTLOADER_INSTALL", "none")]).ok();
    manage(&plain, &["install-bootloader"]).refused(&["no boot loader is there", "extlinux or grub-efi"]);
    manage(&plain, &["install-bootloader", "grub-efi"]).refused(&["has no EFI system partition", "64 MiB"]);

    let image = Image::to_be();
    let grub = [("DISK_SIZE", "512M"), ("BOOTLOADER_INSTALL", "grub-efi")];
    let file = image.place().join("disk.yaml");
    for (text, words) in [
        ("[{size: fill, filesystem: btrfs, mountpoint: /}]", "needs an EFI system partition"),
        (
            "[{size: 64M, filesystem: vfat, fdisk_type: 0xef}, {size: 64M, filesystem: ext4, mountpoint: /boot}, \
             {size: fill, filesystem: btrfs, mountpoint: /}]",
            "leave out the partition of /boot",
        ),
    ] {
        fs::write(&file, format!("partitions: {text}\n")).unwrap();
        let asked = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())];
        write(&image, &[&grub[..], &asked].concat()).refused(&[words]);
    }
    write(&image, &[&grub[..], &[("BOOTLOADER_CONFIG_FORMAT", "none")]].concat())
        .refused(&["reads the boot menu", "leave that out"]);
    // A machine without the programs.
    for (loader, program, package) in
        [("grub-efi", "grub-mkimage", "grub-common"), ("uboot", "mkimage", "u-boot-tools")]
    {
        let hide = format!("mount --bind /dev/null /usr/bin/{program} && exec \"$0\" \"$@\"");
        let mut without = Command::new("unshare");
        without.args(["-m", "sh", "-ec", &hide]).arg(command("rawdisk-write").get_program());
        without
            .args([&inputs::busybox().unwrap(), &image.path()])
            .envs(grub)
            .envs([("DISK_SIZE", "1G"), ("BOOTLOADER_INSTALL", loader)]);
        run(&mut without).refused(&[&format!("{program} is not installed"), &format!("package {package}")]);
    }
    fs::write(&file, "partitions: [{size: 64M, filesystem: vfat, fdisk_type: 0xef}, {size: fill, filesystem: btrfs, mountpoint: /}]\n").unwrap();
    let asked = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())];
    write(&image, &[&grub[..1], &asked, &[("BOOTLOADER_INSTALL", "uboot")]].concat())
        .refused(&["add a partition with filesystem ext4 and mountpoint /boot"]);

    // A tree for a processor whose GRUB is not here.
    let tree = image.place().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    File::options().write(true).open(tree.join("bin/busybox")).unwrap().write_all_at(&[183, 0], 18).unwrap();
    let write = |variables: &[(&str, &str)]| {
        let mut write = command("rawdisk-write");
        write.args([&tree, &image.path()]).envs([("INITRAMFS_PATH", ""), ("ROOT_DEVICE", "/dev/vda2")]);
        run(write.envs(variables.iter().copied()))
    };
    write(&grub).refused(&["GRUB for aarch64 (arm64-efi) is not installed", "package grub-efi-arm64-bin"]);
    assert!(!image.path().exists());
    // Nor is a kernel that cannot run its programs.
    let mut kernel = vec![0; 0x1000];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    fs::write(tree.join("boot/vmlinuz"), kernel).unwrap();
    write(&[("DISK_SIZE", "512M"), ("BOOTLOADER_CONFIG_FORMAT", "extlinux")])
        .refused(&["runs programs for x86_64, i686, and those of the tree are for aarch64", "KERNEL_PATH"]);
    fs::write(tree.join("boot/vmlinuz"), "a kernel").unwrap();
    // Without a word, nothing is installed that does not boot there.
    write(&[("DISK_SIZE", "512M")]).ok();
    assert_eq!(partitions(&image.path()), 0);
}

fn partitions(disk: &Path) -> usize {
    let disk: PathBuf = disk.to_owned();
    system::partitions::read(&File::open(&disk).unwrap(), &disk).unwrap().len()
}
