//! A version on trial is booted once; then the boot loader has forgotten it. `boot_offline` has trials of a whole Debian.
//!
//! Pace: boots machines

use std::fs;
use std::path::Path;

use baserock_tests::image::{Image, Mounted, volume_offset};
use baserock_tests::inputs::Debian;
use baserock_tests::programs::{Done, command, run};
use baserock_tests::small_guest::{self, Tree};
use baserock_tests::trees::memory;
use baserock_tests::version::{manage, manage_at};

const TRY: [&str; 3] = ["try", "devel", "--without-units"];

fn says(done: &Done, words: &str) {
    assert!(done.stderr.contains(words), "{}", done.stderr);
}

/// The label of what boots.
fn boots(disk: &Path) -> String {
    small_guest::boot(disk).unwrap().label
}

#[test]
fn extlinux_boots_a_trial_once() {
    let (factory, devel) = (Tree::new(Debian::Release, "first"), Tree::new(Debian::Updated, "second"));
    let place = memory();
    let disk = place.path().join("disk.img");
    run(command("rawdisk-write").arg(factory.path()).arg(&disk).env("DISK_SIZE", "512M")).ok();
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel")];
    run(command("rawdisk-write").arg(devel.path()).arg(&disk).envs(upgrade)).ok();
    manage_at(&disk, &["set-default", "factory"]).ok();
    small_guest::hurry(Mounted::at(&disk, 0, "subvolid=5").path());

    let armed = manage_at(&disk, &TRY).succeeded();
    says(&armed, "the next boot is devel, and the one after it the default");
    let list = manage_at(&disk, &["list"]).succeeded();
    says(&list, "trial of devel: it boots next, once");
    assert_eq!(list.stdout, "devel\nfactory (default)\n");
    manage_at(&disk, &["remove", "devel"]).refused(&["version devel is on trial", "abandon"]);
    assert_eq!(boots(&disk), "devel");
    assert_eq!(boots(&disk), "factory", "the boot loader has forgotten it");
    says(&manage_at(&disk, &["list"]).succeeded(), "trial of devel: the machine came back from it");
    // The next operation brings the record into order; from then on it is what became of the version.
    says(&manage_at(&disk, &["set-default", "factory"]).succeeded(), "devel came back from its trial");
    says(&manage_at(&disk, &["list"]).succeeded(), "trial of devel: came back: it did not come up");

    // A second trial replaces the first, and what was armed is called off by another choice.
    manage_at(&disk, &TRY).ok();
    manage_at(&disk, &TRY).ok();
    says(&manage_at(&disk, &["abandon"]).succeeded(), "the trial of devel is called off");
    says(&manage_at(&disk, &["abandon"]).succeeded(), "no version is on trial");
    manage_at(&disk, &["confirm"]).refused(&["no version is on trial", "try LABEL"]);
    manage_at(&disk, &TRY).ok();
    says(
        &manage_at(&disk, &["set-default", "factory"]).succeeded(),
        "devel, which was to be booted once, is not",
    );
    assert_eq!(boots(&disk), "factory");

    // A kernel that is no kernel: the loader goes on with the default, in the same boot.
    manage_at(&disk, &TRY).ok();
    let volume = Mounted::at(&disk, 0, "subvolid=5");
    fs::write(volume.path().join("systems/devel/kernel"), vec![0; 1 << 20]).unwrap();
    drop(volume);
    assert_eq!(boots(&disk), "factory");
}

const PARTITIONS: &str = "\
partition_table_format: mbr
partitions:
  - {size: 128M, fdisk_type: 0x83, filesystem: ext4, mountpoint: /boot, boot: yes}
  - {size: fill, filesystem: btrfs, mountpoint: /}
";

/// A label that some boot loaders take for the place of an entry.
const NUMBER: &str = "1";

/// The loader's area is in its file on ext4. The versions have busybox for an init, which runs the script for trials.
#[test]
fn trials_of_versions_with_a_script_and_extlinux_on_ext4() {
    let place = memory();
    let file = place.path().join("disk.yaml");
    fs::write(&file, PARTITIONS).unwrap();
    let image = Image::to_be();
    let write = |tree: &Tree, variables: &[(&str, &str)]| {
        let partitions = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())];
        let mut write = command("rawdisk-write");
        run(write.args([tree.path(), image.path()]).envs(partitions).envs(variables.iter().copied())).ok();
    };
    write(&Tree::new(Debian::Release, "first").with_init(), &[("DISK_SIZE", "640M")]);
    write(
        &Tree::new(Debian::Updated, "second").with_init(),
        &[("UPGRADE", "yes"), ("VERSION_LABEL", NUMBER)],
    );
    manage(&image, &["set-default", "factory"]).ok();
    small_guest::hurry(image.mount_boot().unwrap().path());
    image.wait_until_detached();
    let etc = |change: &dyn Fn(&Path)| {
        change(
            &Mounted::at(&image.path(), volume_offset(&image.path()), "subvolid=5")
                .path()
                .join("systems/1/run/etc"),
        );
        image.wait_until_detached();
    };
    let tries = |deadline: &str| {
        manage(&image, &["try", NUMBER, "--deadline", deadline]).ok();
        image.wait_until_detached();
    };
    let says_of_list = |words: &str| says(&manage(&image, &["list"]).succeeded(), words);

    // A panic. The version has come up so far that its script could say so, or it has not.
    etc(&|etc| fs::write(etc.join("panics"), "").unwrap());
    tries("10m");
    assert_eq!(boots(&image.path()), NUMBER);
    assert_eq!(boots(&image.path()), "factory");
    says_of_list("trial of 1: came back: it ");

    // Nobody confirms it, because its check fails. The script restarts the machine at the deadline.
    etc(&|etc| fs::remove_file(etc.join("panics")).unwrap());
    tries("45s");
    assert_eq!(boots(&image.path()), NUMBER);
    says_of_list("trial of 1: the machine came back from it");

    etc(&|etc| fs::write(etc.join("healthy"), "").unwrap());
    tries("10m");
    assert_eq!(boots(&image.path()), NUMBER);
    assert_eq!(manage(&image, &["list"]).succeeded().stderr, "");
    assert_eq!(manage(&image, &["get-default"]).ok(), "1\n", "the script has confirmed it");
    image.wait_until_detached();
    assert_eq!(boots(&image.path()), NUMBER);

    manage(&image, &["set-default", "factory"]).ok();
    tries("10m");
    fs::write(image.mount_boot().unwrap().path().join("systems/1/kernel"), vec![0; 1 << 20]).unwrap();
    image.wait_until_detached();
    assert_eq!(boots(&image.path()), "factory");
}
