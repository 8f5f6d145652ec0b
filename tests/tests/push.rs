//! Pushing to a running system.
//!
//! Pace: minutes

use std::fs;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::next::Next;
use baserock_tests::programs::run;
use baserock_tests::ssh::{Target, quiet};
use baserock_tests::version::factory_image;
use system::btrfs::{self, Access};

fn image() -> Image {
    factory_image(3072)
}

/// What a push takes some frames for.
const LARGE: u32 = 20_000_000;

#[test]
fn a_tree_becomes_the_default_version_with_the_machines_etc() {
    let (image, next) = (image(), Next::new(LARGE));
    let mut target = Target::start(&image, "factory");
    fs::write(target.system.path("etc/motd"), "mine\n").unwrap();
    run(&mut target.check("v2")).ok();
    let said = run(&mut target.push(&next.tree(), "v2")).ok();
    for part in ["version v2 is complete", "system-version-manager set-default factory"] {
        assert!(said.contains(part), "{said}");
    }
    target.assert_identical("v2", &next.tree());
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running)\nv2 (default)\n");
    assert_eq!(target.incoming(), [""; 0]);
    let top = target.system.top_level();
    assert_eq!(fs::read_to_string(top.path().join("systems/v2/run/etc/motd")).unwrap(), "mine\n");
    drop(top);
    // Once more the same: the sender may not have heard that it was done. Another tree is another matter.
    let again = run(&mut target.push(&next.tree(), "v2")).succeeded();
    assert!(again.stderr.contains("was deployed with this very tree before"), "{}", again.stderr);
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running)\nv2 (default)\n");
    next.write("etc/os-release", b"VERSION_ID=3\n");
    run(&mut target.push(&next.tree(), "v2")).refused(&["ERROR: version v2 exists", "VERSION_LABEL"]);
    run(&mut target.check("v2")).refused(&["version v2 exists"]);

    // Little has changed, and the machine goes down to boot it.
    run(target.push(&next.tree(), "v3").env("AUTOSTART", "yes")).ok();
    assert!(target.sshd.ends());
    drop(target);
    let target = Target::start(&image, "v3");
    assert_eq!(target.system.manage(&["get-running"]).ok(), "v3\n");
}

#[test]
fn with_the_old_tree_at_hand_the_result_is_the_same() {
    let (image, next) = (image(), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let old = inputs::busybox().unwrap();
    run(target.push(&next.tree(), "v2").env("BASE_ROOT", old)).ok();
    target.assert_identical("v2", &next.tree());
}

#[test]
fn a_cut_connection_leaves_nothing_and_the_same_command_continues() {
    let image = image();
    let target = Target::start(&image, "factory");
    run(&mut target.check("any")).ok();
    for (number, bytes) in [5_000, 9_000_000, 18_000_000].into_iter().enumerate() {
        let (label, next) = (format!("cut-{number}"), Next::new(LARGE));
        let cut = run(&mut target.push_cut_after(&next.tree(), &label, bytes));
        assert_eq!(cut.code, 1, "{}", cut.stdout);
        assert!(cut.stderr.contains("connection"), "{}", cut.stderr);
        assert!(!target.system.manage(&["list"]).ok().contains(&label));
        let said = run(&mut target.push(&next.tree(), &label)).ok();
        assert_eq!(said.contains("from an earlier try"), bytes >= 9_000_000, "{said}");
        target.assert_identical(&label, &next.tree());
    }
    let (next, other) = (Next::new(LARGE), Next::new(LARGE));
    // Another tree under the label of a broken push starts clean.
    quiet(&mut target.push_cut_after(&next.tree(), "other", 18_000_000)).status().unwrap();
    assert_eq!(target.incoming(), ["other"]);
    run(&mut target.push(&other.tree(), "other")).ok();
    target.assert_identical("other", &other.tree());
    assert_eq!(target.incoming(), [""; 0]);
}

#[test]
fn what_was_collected_for_another_basis_is_of_no_use() {
    let image = image();
    let target = Target::start(&image, "factory");
    run(&mut target.push(&Next::new(1000).tree(), "v2")).ok();
    let next = Next::new(LARGE);
    let broken = || quiet(&mut target.push_cut_after(&next.tree(), "v3", 18_000_000)).status().unwrap();
    let again = || {
        let said = run(&mut target.push(&next.tree(), "v3")).ok();
        target.assert_identical("v3", &next.tree());
        target.system.manage(&["set-default", "v2"]).ok();
        target.system.manage(&["remove", "v3"]).ok();
        said.contains("from an earlier try")
    };
    broken();
    assert!(again(), "the same basis");

    broken();
    {
        let top = target.system.top_level();
        let orig = top.dir().dir("systems/v2/orig").unwrap();
        btrfs::set_access(&orig, Access::Writable).unwrap();
        fs::write(top.path().join("systems/v2/orig/etc/issue"), "not what it was\n").unwrap();
        btrfs::set_access(&orig, Access::ReadOnly).unwrap();
    }
    assert!(!again(), "the basis has been written to");

    broken();
    target.system.manage(&["set-default", "factory"]).ok();
    assert!(!again(), "the default is another");

    broken();
    assert_eq!(target.incoming(), ["v3"]);
    {
        // As if the power had gone a moment before it was given its place.
        let mounted = target.system.top_level();
        let top = mounted.dir();
        let version = top.dir(".baserock/incoming/v3").unwrap().ensure_dir("version", 0o755).unwrap();
        btrfs::snapshot(&top.dir("systems/v2/orig").unwrap(), &version, "orig", Access::ReadOnly).unwrap();
    }
    target.system.manage(&["set-default", "factory"]).ok();
    target.system.manage(&["remove", "v2"]).ok();
    assert_eq!(target.incoming(), [""; 0], "its basis is gone, and its space is free");
}
