//! Disk images made from cluster files, with the extension that makes real ones.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::programs::Done;
use baserock_tests::{inputs, version};

#[test]
fn a_cluster_file_becomes_a_disk_with_its_first_version() {
    let definitions = Definitions::with_extensions();
    definitions.write(
        "systems/base.morph",
        "name: busybox\nkind: system\nconfiguration-extensions: [extensions/set-hostname, extensions/fstab]\n",
    );
    let artifact = definitions.path("artifacts/busybox");
    let copied = Command::new("cp").arg("-a").arg(inputs::busybox().unwrap()).arg(&artifact).status();
    assert!(copied.unwrap().success());
    definitions
        .cluster(&["disk: {type: extensions/rawdisk, location: to be given, BOOTLOADER_INSTALL: none}"]);
    let image = Image::blank(512);
    fs::remove_file(image.path()).unwrap();
    let location = format!("disk.location={}", image.path().display());
    let arguments =
        ["disk.DISK_SIZE=512M", "disk.HOSTNAME=box", "disk.FSTAB_SRV=LABEL=srv /mnt ext4 nofail 0 2"];
    definitions.done(&[&["deploy", "clusters/c.morph", &location], &arguments[..]].concat());
    assert_eq!(version::manage(&image, &["list"]).ok(), "factory (default)\n");
    let mounted = image.mount("subvolid=5");
    let run = mounted.path().join("systems/factory/run");
    assert_eq!(fs::read_to_string(run.join("etc/hostname")).unwrap(), "box\n");
    assert!(fs::read_to_string(run.join("etc/fstab")).unwrap().contains("LABEL=srv /mnt ext4 nofail 0 2\n"));
    let meta: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("baserock/deployment.meta")).unwrap()).unwrap();
    assert_eq!(meta["configuration"]["DISK_SIZE"], "512M");
    assert_eq!(
        fs::read_to_string(artifact.join("etc/hostname")).unwrap(),
        "baserock\n",
        "the artifact stays"
    );
}

#[test]
fn what_the_disk_cannot_be_is_told_by_the_deployment() {
    let definitions = Definitions::with_extensions();
    definitions.cluster(&["disk: {type: extensions/rawdisk, location: disk.img, DISK_SIZE: lots}"]);
    definitions
        .morph(&["deploy", "clusters/c.morph"])
        .failed(&["disk: failed: ", "rawdisk.check failed with exit code 1: DISK_SIZE is \"lots\""]);
    assert!(!definitions.path("disk.img").exists());
}

#[test]
fn what_the_user_is_given_has_the_users_umask() {
    let definitions = Definitions::with_extensions();
    definitions.script("extensions/note.write", "umask > written; umask > \"$2\"");
    definitions.script("extensions/inner.write", "umask > \"$2\"; stat -c %a \"$2\" > inner");
    definitions.write(
        "clusters/c.morph",
        "kind: cluster
systems:
- morph: systems/base.morph
  deploy:
    archive: {type: extensions/tar, location: base.tar}
    other: {type: extensions/note, location: out}
    disk: {type: extensions/rawdisk, location: disk.img, DISK_SIZE: 300M, BOOTLOADER_CONFIG_FORMAT: none}
  subsystems:
  - morph: systems/base.morph
    deploy: {in: {type: extensions/inner, location: etc/inner}}
",
    );
    for (umask, mode, inner) in [("000", "644", "644"), ("027", "640", "644"), ("077", "600", "644")] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$0\" deploy clusters/c.morph")])
            .arg(baserock_tests::programs::path("morph"))
            .current_dir(definitions.root())
            .env("MORPH_EXTENSIONS", definitions.installed())
            .env("TMPDIR", definitions.temporary());
        Done::from(command.output().unwrap()).succeeded().ok();
        for made in ["base.tar", "disk.img"] {
            let found = fs::metadata(definitions.path(made)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(format!("{found:o}"), mode, "{made} with the umask {umask}");
        }
        assert_eq!(definitions.read("written").trim(), format!("0{umask}"));
        assert_eq!(definitions.read("inner").trim(), inner);
        fs::remove_file(definitions.path("disk.img")).unwrap();
    }
}
