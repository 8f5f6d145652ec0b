//! `morph check` on the example definitions, and what of them is written to files. Machines have a suite of their own.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::programs::run;
use baserock_tests::{inputs, version};

fn clusters(definitions: &Definitions) -> Vec<String> {
    let entries = fs::read_dir(definitions.path("clusters")).unwrap();
    let names = entries.map(|entry| format!("clusters/{}", entry.unwrap().file_name().to_str().unwrap()));
    names.collect()
}

#[test]
fn every_cluster_that_makes_something_new_passes() {
    let definitions = Definitions::example();
    let all = clusters(&definitions);
    assert_eq!(all.len(), 5);
    for cluster in all.into_iter().filter(|name| name != "clusters/upgrade-devel.morph") {
        let ended = definitions.morph(&["check", &cluster]).succeeded();
        let not_yet = ": checked; it cannot be deployed yet: there is no artifact ";
        assert!(ended.stdout.contains(not_yet), "{cluster}: {}", ended.stdout);
        assert!(!ended.stdout.contains("ready"), "{cluster}: {}", ended.stdout);
        let quiet = ended.stderr.lines().all(|line| line.contains("node_1"));
        assert!(quiet, "{cluster}: {}", ended.stderr);
    }
    assert!(!definitions.path("artifacts/.morph").exists(), "a check changes nothing");
}

#[test]
fn what_cannot_be_deployed_in_this_way_is_told() {
    let definitions = Definitions::example();
    definitions
        .morph(&["check", "--upgrade", "clusters/release.morph", "release-devel-archive"])
        .failed(&["an archive cannot be upgraded"]);
    definitions
        .morph(&["check", "clusters/upgrade-devel.morph"])
        .failed(&["ssh-rsync only upgrades running systems", "UPGRADE=yes"]);
    definitions
        .morph(&["check", "--upgrade", "clusters/upgrade-devel.morph"])
        .failed(&["VERSION_LABEL is not set"]);
    definitions
        .morph(&["upgrade", "clusters/upgrade-devel.morph", "self.VERSION_LABEL=v2"])
        .failed(&["there is no artifact devel-system-x86_64", "morph build systems/devel.morph"]);
}

#[test]
fn the_shapes_of_public_definitions_are_deployed() {
    let definitions = Definitions::example();
    definitions.put_artifact("cloud-system-x86_64", &inputs::busybox().unwrap());
    // As such repositories have it: the other extension is in the folder that the path names.
    symlink(
        definitions.installed().join("install-files.configure"),
        definitions.path("extensions/install-files.configure"),
    )
    .unwrap();
    let arguments = ["clusters/cloud.morph", "cloud-node"];
    let checked = definitions.morph(&["check", arguments[0], arguments[1]]).succeeded();
    assert!(checked.stdout.contains("ready"), "{}", checked.stdout);
    definitions.done(&["deploy", arguments[0], arguments[1]]);
    let archive = definitions.path("cloud-node.tar");
    let content =
        |name: &str| run(Command::new("tar").arg("-xOf").arg(&archive).arg(format!("./{name}"))).ok();
    assert_eq!(content("etc/hostname"), "node_1\n");
    assert!(content("etc/hosts").ends_with("10.0.0.1 controller\n"), "{}", content("etc/hosts"));
    assert_eq!(content("etc/cloud.conf"), "controller = controller\n");
    assert_eq!(content("etc/issue.net"), "Authorized users only\n");
    let devices = r#"devices: [{"device": "sdb", "ip": "10.0.0.21", "weight": 100}]"#;
    assert_eq!(content("etc/cloud/cloud.cfg").trim_end(), devices);
    assert_eq!(content("etc/resolv.conf"), "nameserver 10.0.0.1\n");
    let network =
        run(Command::new("sh").args(["-c", "tar -xOf \"$0\" --wildcards './etc/*'"]).arg(&archive)).ok();
    assert!(network.contains("10.0.0.21") && content("etc/motd.d/welcome").len() > 1, "{network}");
    // The environment counts before the file; a missing interpreter is named before anything begins.
    let _again =
        run(definitions.command(&["deploy", arguments[0], arguments[1]]).env("CLOUD_INIT", "no")).succeeded();
    let names = run(Command::new("tar").arg("-tf").arg(&archive)).ok();
    assert!(!names.contains("cloud.cfg"), "{names}");
    definitions.write("extensions/hosts.configure", "#!/usr/bin/no-such-python\n");
    definitions.morph(&["check", arguments[0], arguments[1]]).failed(&["no-such-python"]);
}

#[test]
fn the_boards_initramfs_is_made_in_its_tree() {
    let definitions = Definitions::example();
    definitions.put_artifact("board-system-armv7", &inputs::busybox().unwrap());
    definitions.write("artifacts/board-system-armv7/boot/zImage", "kernel of the board");
    definitions.write("artifacts/board-system-armv7/boot/board.dtb", "devices of the board");
    definitions.write("artifacts/initramfs-armv7/bin/sh", "x");
    let image = Image::to_be();
    let location = format!("release-board.location={}", image.path().display());
    let arguments = ["deploy", "clusters/release.morph", "release-board", &location];
    definitions.morph(&arguments).failed(&["board-initramfs", "there is no /init in the tree"]);
    definitions.script("artifacts/initramfs-armv7/init", "exec sh");
    definitions.done(&arguments);

    assert_eq!(version::manage(&image, &["list"]).ok(), "factory (default)\n");
    let mounted = image.mount("subvolid=5");
    let version = mounted.path().join("systems/factory");
    assert_eq!(fs::read_to_string(version.join("kernel")).unwrap(), "kernel of the board");
    assert_eq!(fs::read_to_string(version.join("dtb")).unwrap(), "devices of the board");
    let list = format!("gzip -dc {} | cpio --quiet -t", version.join("initramfs").display());
    let listed = run(Command::new("sh").args(["-c", &list])).ok();
    assert!(listed.lines().any(|name| name == "./init" || name == "init"), "{listed}");
    let menu = fs::read_to_string(mounted.path().join("extlinux/extlinux.conf")).unwrap();
    for words in ["fsck.mode=skip", "/systems/factory/dtb", "cma=256M"] {
        assert!(menu.contains(words), "{words}: {menu}");
    }
}
