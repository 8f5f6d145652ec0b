//! Pushing to a running system.

use std::fs;
use std::path::{Path, PathBuf};

use baserock_tests::image::Image;
use baserock_tests::programs::{run, shell};
use baserock_tests::ssh::{Target, quiet};
use baserock_tests::version::factory_image;
use tempfile::TempDir;

/// The next version of the small tree: some files more, some other, some gone.
struct Next {
    place: TempDir,
}

impl Next {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let source = baserock_tests::inputs::busybox().unwrap();
        shell("cp", &["-a", source.to_str().unwrap(), tree.to_str().unwrap()]);
        fs::write(tree.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").unwrap();
        fs::remove_file(tree.join("var/lib/thing/state")).unwrap();
        let script = "head -c 20000000 /dev/urandom > large; cp large large-too; cp bin/busybox bin/changed; \
                      printf x | dd of=bin/changed bs=1 seek=70000 conv=notrunc status=none; ln bin/changed bin/linked; \
                      mknod dev/null c 1 3; setfattr -n user.x -v y large; chmod 4755 bin/changed; chown 5:6 large-too; \
                      for n in $(seq 300); do echo $n > etc/many-$n; done";
        run(std::process::Command::new("sh").args(["-ec", script]).current_dir(&tree)).ok();
        Next { place }
    }

    fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }
}

fn image() -> Image {
    factory_image(3072)
}

/// Has rsync compare the version's `orig` with the tree.
fn assert_identical(target: &Target, label: &str, tree: &Path) {
    let top = target.system.top_level();
    let orig = top.path().join("systems").join(label).join("orig/");
    let found = shell(
        "rsync",
        &[
            "-aHAXn",
            "--checksum",
            "--delete",
            "--numeric-ids",
            "--itemize-changes",
            tree.join("").to_str().unwrap(),
            orig.to_str().unwrap(),
        ],
    );
    assert_eq!(found, "");
}

fn incoming(target: &Target) -> Vec<String> {
    let top = target.system.top_level();
    let names = fs::read_dir(top.path().join(".baserock/incoming")).into_iter().flatten();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_tree_becomes_the_default_version_with_the_machines_etc() {
    let (image, next) = (image(), Next::new());
    let mut target = Target::start(&image, "factory");
    fs::write(target.system.path("etc/motd"), "mine\n").unwrap();
    run(&mut target.check("v2")).ok();
    let said = run(&mut target.push(&next.tree(), "v2")).ok();
    for part in ["version v2 is complete", "system-version-manager set-default factory"] {
        assert!(said.contains(part), "{said}");
    }
    assert_identical(&target, "v2", &next.tree());
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running)\nv2 (default)\n");
    assert_eq!(incoming(&target), [""; 0]);
    let top = target.system.top_level();
    assert_eq!(fs::read_to_string(top.path().join("systems/v2/run/etc/motd")).unwrap(), "mine\n");
    drop(top);
    run(&mut target.push(&next.tree(), "v2")).refused(&["ERROR: version v2 exists", "VERSION_LABEL"]);
    run(&mut target.check("v2")).refused(&["version v2 exists"]);

    // Nothing has changed, and the machine goes down to boot it.
    run(target.push(&next.tree(), "v3").env("AUTOSTART", "yes")).ok();
    assert!(target.goes_down());
    drop(target);
    let target = Target::start(&image, "v3");
    assert_eq!(target.system.manage(&["get-running"]).ok(), "v3\n");
}

#[test]
fn with_the_old_tree_at_hand_the_result_is_the_same() {
    let (image, next) = (image(), Next::new());
    let target = Target::start(&image, "factory");
    let old = baserock_tests::inputs::busybox().unwrap();
    run(target.push(&next.tree(), "v2").env("BASE_ROOT", old)).ok();
    assert_identical(&target, "v2", &next.tree());
}

#[test]
fn a_cut_connection_leaves_nothing_and_the_same_command_continues() {
    let image = image();
    let target = Target::start(&image, "factory");
    run(&mut target.check("any")).ok();
    for (number, bytes) in [5_000, 700_000, 9_000_000, 18_000_000].into_iter().enumerate() {
        let (label, next) = (format!("cut-{number}"), Next::new());
        let cut = run(&mut target.push_cut_after(&next.tree(), &label, bytes));
        assert_eq!(cut.code, 1, "{}", cut.stdout);
        assert!(cut.stderr.contains("connection"), "{}", cut.stderr);
        assert!(!target.system.manage(&["list"]).ok().contains(&label));
        let said = run(&mut target.push(&next.tree(), &label)).ok();
        assert_eq!(said.contains("from an earlier try"), bytes >= 9_000_000, "{said}");
        assert_identical(&target, &label, &next.tree());
    }
    let (next, other) = (Next::new(), Next::new());
    // Another tree under the label of a broken push starts clean.
    quiet(&mut target.push_cut_after(&next.tree(), "other", 18_000_000)).status().unwrap();
    assert_eq!(incoming(&target), ["other"]);
    run(&mut target.push(&other.tree(), "other")).ok();
    assert_identical(&target, "other", &other.tree());
    assert_eq!(incoming(&target), [""; 0]);
}
