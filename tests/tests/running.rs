//! On a running system: a process tree whose `/` is a version of a real volume.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::PermissionsExt;

use baserock_tests::image::Image;
use baserock_tests::running::Running;
use baserock_tests::version::{factory_image, manage, put_tree};

fn with_devel() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        fs::write(orig.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").unwrap();
    });
    image
}

#[test]
fn the_running_version_is_known_merged_from_and_not_removed() {
    let image = with_devel();
    let system = Running::start(&image, "factory");
    assert_eq!(system.manage(&["get-running"]).ok(), "factory\n");
    fs::write(system.path("etc/motd"), "mine\n").unwrap();
    system.manage(&["deploy", "/systems/devel/orig"]).ok();
    assert_eq!(system.manage(&["list"]).ok(), "devel\nfactory (running) (default)\n");
    system.manage(&["set-default", "devel"]).ok();
    assert_eq!(system.manage(&["list"]).ok(), "devel (default)\nfactory (running)\n");
    system.manage(&["remove", "factory", "--force"]).refused(&["factory is running"]);
    drop(system);

    let system = Running::start(&image, "devel");
    assert_eq!(system.manage(&["get-running"]).ok(), "devel\n");
    assert_eq!(fs::read_to_string(system.path("etc/motd")).unwrap(), "mine\n");
    assert!(fs::read_to_string(system.path("etc/os-release")).unwrap().contains("VERSION_ID=2"));
    system.manage(&["set-default", "factory"]).ok();
    system.manage(&["remove", "devel"]).refused(&["devel is running"]);
}

#[test]
fn a_program_that_the_environment_names_merges_and_its_failure_leaves_nothing() {
    let image = with_devel();
    let system = Running::start(&image, "factory");
    let program = |text: &str| {
        fs::write(system.path("tmp/merge"), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(system.path("tmp/merge"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut deploy = system.command("/tmp/system-version-manager");
        deploy.args(["deploy", "/systems/devel/orig"]).env("BASEROCK_SYSTEM_CONFIG_SYNC", "/tmp/merge");
        baserock_tests::programs::run(&mut deploy)
    };
    program("echo it does not fit >&2; exit 3").refused(&["merge failed (exit status: 3): it does not fit"]);
    program("kill -9 $$").refused(&["merge failed", "SIGKILL"]);
    let mut missing = system.command("/tmp/system-version-manager");
    missing.args(["deploy", "/systems/devel/orig"]).env("BASEROCK_SYSTEM_CONFIG_SYNC", "/nowhere");
    baserock_tests::programs::run(&mut missing).refused(&["cannot run nowhere"]);
    assert_eq!(system.manage(&["list"]).ok(), "factory (running) (default)\n");
    // Ours, by way of the same protocol: it finds the volume mounted, and its lock held for it.
    program("exec /tmp/baserock-system-config-sync \"$@\"").ok();
    assert_eq!(system.manage(&["list"]).ok(), "devel\nfactory (running) (default)\n");
    drop(system);
    let mounted = image.mount("subvolid=5");
    assert!(mounted.path().join("systems/devel/merge.json").exists());
}

#[test]
fn a_root_that_is_no_version_is_told() {
    let image = with_devel();
    let mounted = image.mount("subvol=state/home");
    fs::copy(baserock_tests::programs::path("system-version-manager"), mounted.path().join("svm")).unwrap();
    fs::create_dir(mounted.path().join("proc")).unwrap();
    let script =
        format!("mount -t proc proc {0}/proc && exec chroot {0} /svm list", mounted.path().display());
    let mut list = std::process::Command::new("unshare");
    let list = baserock_tests::programs::run(list.args(["--mount", "sh", "-c", &script]));
    list.refused(&["not a Baserock system", "btrfs on /dev/loop", "subvolume /state/home", "--volume"]);
    drop(mounted);
    manage(&image, &["list"]).ok();
}
