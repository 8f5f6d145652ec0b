//! `morph check` on the example definitions: every cluster file of theirs is sound, for a deployment and for an upgrade.

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock_tests::definitions::Definitions;

/// The example, as somebody would copy it. What writes to machines that do not exist only shows what it was given.
fn example() -> Definitions {
    let definitions = Definitions::with_extensions();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions/.");
    assert!(Command::new("cp").arg("-a").arg(source).arg(definitions.root()).status().unwrap().success());
    for name in ["rawdisk", "ssh-rsync"] {
        definitions.installed_script(&format!("{name}.check"), "echo \"checking $1 UPGRADE=$UPGRADE\"");
        definitions.installed_script(
            &format!("{name}.write"),
            "echo \"writing to $2\"; ls \"$1/boot\" 2>/dev/null || true; env",
        );
    }
    definitions
}

fn clusters(definitions: &Definitions) -> Vec<String> {
    let entries = fs::read_dir(definitions.path("clusters")).unwrap();
    let names = entries.map(|entry| format!("clusters/{}", entry.unwrap().file_name().to_str().unwrap()));
    names.collect()
}

#[test]
fn every_cluster_passes_as_a_deployment() {
    let definitions = example();
    let all = clusters(&definitions);
    assert_eq!(all.len(), 4);
    for cluster in all {
        let ended = definitions.morph(&["check", &cluster]).succeeded();
        assert!(ended.stdout.contains(": ready\n"), "{cluster}: {}", ended.stdout);
        assert!(
            ended.stderr.lines().all(|line| line.contains("note: there is no artifact")),
            "{}",
            ended.stderr
        );
    }
    assert!(!definitions.path("artifacts/.morph").exists(), "a check changes nothing");
}

#[test]
fn clusters_that_can_be_upgraded_pass_as_upgrades() {
    let definitions = example();
    for (arguments, words) in [
        (
            &["clusters/upgrade-devel.morph", "self.VERSION_LABEL=devel"][..],
            "self: checking root@localhost UPGRADE=yes",
        ),
        (&["clusters/fleet.morph"], "web2: checking root@web2.example.org UPGRADE=yes"),
        (
            &["clusters/release.morph", "release-board"],
            "release-board: checking root@board.example.org UPGRADE=yes",
        ),
    ] {
        let ended = definitions.morph(&[&["check", "--upgrade"], arguments].concat()).succeeded();
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    definitions
        .morph(&["check", "--upgrade", "clusters/release.morph", "release-devel-archive"])
        .failed(&["an archive cannot be upgraded"]);
}

#[test]
fn the_documents_command_upgrades_this_machine() {
    let definitions = example();
    definitions.write("artifacts/devel-system-x86_64/etc/hostname", "old\n");
    definitions.write("artifacts/devel-system-x86_64/boot/vmlinuz", "kernel");
    let ended = definitions
        .morph(&["upgrade", "clusters/upgrade-devel.morph", "self.HOSTNAME=box", "self.VERSION_LABEL=devel"])
        .succeeded();
    for words in [
        "self: writing to root@localhost",
        "self: vmlinuz",
        "self: HOSTNAME=box",
        "self: VERSION_LABEL=devel",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[test]
fn the_boards_initramfs_is_made_in_its_tree() {
    let definitions = example();
    definitions.write("artifacts/board-system-armv7/boot/zImage", "kernel");
    definitions.write("artifacts/initramfs-armv7/bin/sh", "x");
    let arguments = ["deploy", "clusters/release.morph", "release-board"];
    definitions.morph(&arguments).failed(&["board-initramfs", "there is no /init in the tree"]);
    definitions.script("artifacts/initramfs-armv7/init", "exec sh");
    let ended = definitions.morph(&arguments).succeeded();
    for words in
        ["release-board: initramfs.gz\n", "release-board: DTB_PATH=boot/board.dtb", "BOOTLOADER_INSTALL=none"]
    {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[test]
fn three_machines_are_upgraded_at_once() {
    let definitions = example();
    definitions.write("artifacts/server-system-x86_64/etc/hostname", "old\n");
    let ended = definitions.morph(&["upgrade", "--jobs", "3", "clusters/fleet.morph"]).succeeded();
    for (machine, name) in [("web1", "web1"), ("web2", "web2"), ("mail", "mail")] {
        for words in
            [format!("{machine}: writing to root@{name}.example.org"), format!("{machine}: HOSTNAME={name}")]
        {
            assert!(ended.stdout.contains(&words), "{words}: {}", ended.stdout);
        }
    }
    assert!(ended.stdout.ends_with("web1: deployed\nweb2: deployed\nmail: deployed\n"), "{}", ended.stdout);
}
