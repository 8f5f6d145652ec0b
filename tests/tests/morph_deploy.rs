//! `morph deploy` with extensions that show what they were given.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::Done;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use system::mount::leave_shared_namespace;

/// A write extension that copies what it is given to its location.
const COPY: &str = "mkdir -p \"$2\"; cp -a \"$1/.\" \"$2\"; env | sort >\"$2.env\"; pwd >\"$2.pwd\"";

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn a_deployment_is_configured_and_written_and_the_artifact_stays_as_it_was() {
    let definitions = Definitions::new();
    definitions.write(
        "systems/base.morph",
        "name: base\nkind: system\nconfiguration-extensions: [extensions/one, extensions/two]\n",
    );
    definitions.script("extensions/one.configure", "echo one:$WORD >\"$1/etc/made\"");
    definitions
        .installed_script("two.configure", "echo two >>\"$1/etc/made\"; echo x >\"$1/etc/os-release\"");
    definitions.script("extensions/copy.write", COPY);
    definitions.write(
        "extensions/copy.write.help",
        "help: copies\nrecorded: [WORD, API_TOKEN, LINK, SIGNED, WIFI_PSK]\n",
    );
    definitions.cluster(&[
        "self: {type: extensions/copy, location: out, WORD: 1.10, API_TOKEN: hush, WIFI_PSK: hush, LINK: 'http://u:hush@h', SIGNED: 'http://h/?hush'}",
    ]);
    let ended = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
    assert!(ended.stdout.lines().all(|line| line.starts_with("self: ")), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("self: deployed\n"), "{}", ended.stdout);
    for name in ["LINK", "SIGNED"] {
        assert!(ended.stderr.contains(&format!("note: {name} is not recorded")), "{}", ended.stderr);
    }
    assert_eq!(definitions.read("out/etc/made"), "one:1.10\ntwo\n");
    assert_eq!(definitions.read("artifacts/base/etc/os-release"), "ID=base\n");
    assert_eq!(definitions.read("out.pwd").trim_end(), definitions.root().to_str().unwrap());
    let meta: serde_json::Value =
        serde_json::from_str(&definitions.read("out/baserock/deployment.meta")).unwrap();
    assert_eq!(meta["configuration"], serde_json::json!({"WORD": "1.10", "UPGRADE": "no"}));
    assert_eq!(meta["system-artifact-name"], "base");
    let private = std::fs::metadata(definitions.path("out/baserock/deployment.meta")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&private.permissions()) & 0o777, 0o600);
    assert!(definitions.left_over().is_empty(), "{:?}", definitions.left_over());
}

#[test]
fn lists_reach_extensions_as_text_and_bare_names_are_found() {
    let definitions = Definitions::new();
    definitions.script("extensions/keep.write", "printf %s \"$DEVICES\" >\"$2\"");
    definitions
        .cluster(&["x: {type: keep, location: out, DEVICES: [{ip: 10.0.0.1, weight: 100, name: 1.10}]}"]);
    definitions.done(&["deploy", "clusters/c.morph"]);
    assert_eq!(definitions.read("out"), r#"[{"ip": "10.0.0.1", "weight": 100, "name": "1.10"}]"#);
}

#[test]
fn a_link_of_the_artifact_leads_no_subsystem_out_of_the_tree() {
    let definitions = Definitions::new();
    definitions.script("extensions/copy.write", COPY);
    definitions.write("host/initramfs", "precious");
    let link = definitions.path("artifacts/base/boot");
    std::os::unix::fs::symlink(definitions.path("host"), link).unwrap();
    definitions.write(
        "clusters/c.morph",
        "kind: cluster
systems:
- morph: systems/base
  deploy: {self: {type: extensions/copy, location: out}}
  subsystems:
  - morph: systems/base
    deploy: {initramfs: {type: extensions/copy, location: boot/initramfs}}
",
    );
    definitions
        .morph(&["deploy", "clusters/c.morph"])
        .failed(&["the location boot/initramfs is a link in the system; name the place to which it leads"]);
    assert_eq!(definitions.read("host/initramfs"), "precious");
}

#[test]
fn the_repositorys_extension_counts_before_the_installed_one() {
    let definitions = Definitions::new();
    definitions.installed_script("copy.write", "echo installed");
    definitions
        .cluster(&["self: {type: extensions/copy, location: out}", "bare: {type: copy, location: out}"]);
    let before = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
    assert!(before.stdout.contains("self: installed\n") && before.stdout.contains("bare: installed\n"));
    definitions.script("extensions/copy.write", "echo own");
    let after = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
    assert!(after.stdout.contains("self: own\n"), "{}", after.stdout);
}

#[test]
fn the_repository_is_the_folder_with_git_above_the_cluster_file() {
    let definitions = Definitions::new();
    definitions.script("extensions/copy.write", COPY);
    definitions.cluster(&["self: {type: extensions/copy, location: out}"]);
    let cluster = definitions.path("clusters/c.morph");
    let mut command = definitions.command(&["deploy", cluster.to_str().unwrap()]);
    let _done = Done::from(command.current_dir("/").output().unwrap()).succeeded();
    assert_eq!(definitions.read("out/etc/os-release"), "ID=base\n");
    fs::remove_dir(definitions.path(".git")).unwrap();
    let without =
        definitions.command(&["deploy", "c.morph"]).current_dir(definitions.path("clusters")).output();
    Done::from(without.unwrap()).failed(&["clusters/systems/base.morph: No such file or directory"]);
}

#[test]
fn parameters_are_laid_over_each_other_in_order() {
    let definitions = Definitions::new();
    definitions.script("extensions/copy.write", COPY);
    definitions.write(
        "clusters/c.morph",
        "kind: cluster
systems:
- morph: systems/base
  deploy-defaults: {A: defaults, B: defaults, C: defaults}
  deploy:
    self: {type: extensions/copy, location: out, B: own, C: own, EMPTY: ''}
",
    );
    let arguments = ["deploy", "clusters/c.morph", "self.C=given a=b"];
    let mut command = definitions.command(&arguments);
    command.env("A", "environment").env("E", "environment").env("EMPTY", "");
    let ended = Done::from(command.output().unwrap()).succeeded();
    let variables = definitions.read("out.env");
    for line in ["A=environment", "B=own", "C=given a=b", "E=environment", "EMPTY=", "UPGRADE=no"] {
        assert!(lines(&variables).contains(&line), "{line}: {variables}");
    }
    let note = "self: note: A is set in the environment too; the environment's value is used";
    assert_eq!(lines(&ended.stderr), [note]);
}

#[test]
fn an_upgrade_says_so_to_the_extensions_and_goes_to_its_own_place() {
    let definitions = Definitions::new();
    definitions.script("extensions/copy.write", COPY);
    definitions.script("extensions/push.check", "test \"$UPGRADE\" = yes || { echo ERROR: no; exit 1; }");
    definitions.script("extensions/push.write", "echo \"pushed to $2 as $VERSION_LABEL\"");
    definitions.cluster(&[
        "self: {type: extensions/copy, location: out, upgrade-type: extensions/push, upgrade-location: root@localhost}",
    ]);
    for command in [&["upgrade", "clusters/c.morph"][..], &["deploy", "--upgrade", "clusters/c.morph"]] {
        let arguments = [command, &["self.VERSION_LABEL=devel"]].concat();
        let ended = definitions.morph(&arguments).succeeded();
        assert!(ended.stdout.contains("self: pushed to root@localhost as devel\n"), "{}", ended.stdout);
    }
    assert!(!definitions.path("out").exists());
}

#[test]
fn subsystems_go_into_the_tree_first() {
    let definitions = Definitions::new();
    definitions.write(
        "systems/inner.morph",
        "name: inner\nkind: system\nconfiguration-extensions: [extensions/mark]\n",
    );
    definitions.write("artifacts/inner/init", "#!/bin/sh\n");
    definitions.script("extensions/mark.configure", "echo \"$WORD\" >\"$1/mark\"");
    definitions.script("extensions/pack.check", "test -d \"$(dirname \"$1\")\"");
    definitions
        .script("extensions/pack.write", "(cd \"$1\"; find . | sort) >\"$2\"; echo \"UPGRADE=$UPGRADE\"");
    definitions.script("extensions/copy.write", COPY);
    definitions.write("artifacts/base/boot/vmlinuz", "kernel");
    definitions.write(
        "clusters/c.morph",
        "kind: cluster
systems:
- morph: systems/base.morph
  deploy:
    outer: {type: extensions/copy, location: out}
  subsystems:
  - morph: systems/inner.morph
    deploy:
      inner: {type: extensions/pack, location: boot/initramfs.list, WORD: a}
",
    );
    definitions.done(&["check", "clusters/c.morph"]);
    let ended = definitions.morph(&["upgrade", "clusters/c.morph", "inner.WORD=b"]).succeeded();
    assert_eq!(
        definitions.read("out/boot/initramfs.list"),
        ".\n./baserock\n./baserock/deployment.meta\n./init\n./mark\n"
    );
    assert!(ended.stdout.contains("inner: UPGRADE=no\n"), "{}", ended.stdout);
    assert!(!definitions.path("artifacts/base/boot/initramfs.list").exists());
}

#[test]
fn each_extension_has_a_private_folder_and_a_log() {
    let definitions = Definitions::new();
    definitions.script(
        "extensions/show.write",
        "stat -c %a \"$TMPDIR\"; echo \"$TMPDIR\" >where; touch \"$TMPDIR/file\"; echo detail >/dev/fd/$MORPH_LOG_FD",
    );
    definitions.cluster(&["self: {type: extensions/show, location: x}"]);
    let quiet = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
    assert!(quiet.stdout.contains("self: 700\n") && !quiet.stderr.contains("detail"));
    assert!(!std::path::Path::new(definitions.read("where").trim()).exists());
    let loud = definitions.morph(&["deploy", "--verbose", "clusters/c.morph"]).succeeded();
    assert!(loud.stderr.contains("self: log: detail\n"), "{}", loud.stderr);
}

#[test]
fn what_an_extension_left_mounted_in_its_working_copy_is_named_and_stays() {
    let definitions = Definitions::new();
    definitions.write(
        "systems/base.morph",
        "name: base\nkind: system\nconfiguration-extensions: [extensions/bind]\n",
    );
    let bind = "mkdir -p \"$1/srv/data\"; mount --bind precious \"$1/srv/data\"; echo \"$1\" >place; exit 1";
    definitions.script("extensions/bind.configure", bind);
    definitions.script("extensions/copy.write", COPY);
    definitions.write("precious/file", "data");
    definitions.cluster(&["self: {type: extensions/copy, location: out}"]);
    leave_shared_namespace().unwrap();
    let ended = definitions.morph(&["deploy", "clusters/c.morph"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("srv/data is a mount point; unmount it first"), "{}", ended.stderr);
    assert_eq!(definitions.read("precious/file"), "data");
    assert_eq!(definitions.left_over().len(), 1);
    let tree = definitions.read("place");
    umount2(&Path::new(tree.trim_end()).join("srv/data"), MntFlags::MNT_DETACH).unwrap();
    definitions.done(&["gc"]);
    assert!(definitions.left_over().is_empty());
    assert_eq!(definitions.read("precious/file"), "data");
}

#[test]
fn one_of_three_that_fails_stops_no_other() {
    let definitions = Definitions::new();
    definitions.script(
        "extensions/push.check",
        "test \"$1\" != root@down || { echo 'ERROR: no route to root@down'; exit 1; }",
    );
    definitions.script("extensions/push.write", "touch \"reached-$2\"");
    definitions.cluster(&[
        "a: {type: extensions/push, location: root@up}",
        "b: {type: extensions/push, location: root@down}",
        "c: {type: extensions/push, location: root@other}",
    ]);
    for jobs in ["1", "3"] {
        let ended = definitions.morph(&["deploy", "--jobs", jobs, "clusters/c.morph"]);
        assert!(ended.stdout.ends_with("a: deployed\nc: deployed\n"), "{}", ended.stdout);
        let error = ended
            .failed(&["b: failed: extensions/push.check failed with exit code 1: no route to root@down"]);
        assert!(error.ends_with("morph: 1 of 3 deployments failed: b\n"), "{error}");
        assert!(!definitions.path("reached-root@down").exists());
        for reached in ["reached-root@up", "reached-root@other"] {
            fs::remove_file(definitions.path(reached)).unwrap();
        }
    }
}

#[test]
fn a_strict_umask_does_not_close_the_system() {
    let definitions = Definitions::new();
    definitions.script("extensions/mode.write", "stat -c %a \"$1\" \"$1/baserock\"");
    definitions.cluster(&["self: {type: extensions/mode, location: x}"]);
    let archive = definitions.path("artifacts/base.tar");
    let packed = Command::new("tar")
        .current_dir(definitions.path("artifacts/base"))
        .arg("-cf")
        .arg(&archive)
        .arg("etc")
        .status();
    assert!(packed.unwrap().success());
    fs::remove_dir_all(definitions.path("artifacts/base")).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" deploy clusters/c.morph"])
        .arg(baserock_tests::programs::path("morph"));
    command.current_dir(definitions.root()).env("TMPDIR", definitions.temporary());
    let done = Done::from(command.output().unwrap()).succeeded();
    assert!(done.stdout.contains("self: 755\nself: 755\n"), "{}", done.stdout);
}

#[test]
fn what_is_mounted_in_an_artifact_is_not_left_out_in_silence() {
    let definitions = Definitions::new();
    definitions.script("extensions/none.write", "true");
    definitions.cluster(&["self: {type: extensions/none, location: x}"]);
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs none artifacts/base/etc && exec \"$0\" deploy clusters/c.morph",
        ])
        .arg(baserock_tests::programs::path("morph"));
    command.current_dir(definitions.root()).env("TMPDIR", definitions.temporary());
    Done::from(command.output().unwrap())
        .failed(&["something is mounted on", "artifacts/base/etc; unmount it first"]);
}

#[test]
fn several_run_at_once_where_that_is_asked_for() {
    let definitions = Definitions::new();
    // Each waits for the other's file: only at once can both end.
    definitions
        .script("extensions/meet.write", "touch \"$2\"; while ! [ -e \"$OTHER\" ]; do sleep 0.02; done");
    definitions.cluster(&[
        "a: {type: extensions/meet, location: a.here, OTHER: b.here}",
        "b: {type: extensions/meet, location: b.here, OTHER: a.here}",
    ]);
    definitions.done(&["deploy", "--jobs", "2", "clusters/c.morph"]);
}

#[test]
fn a_signal_ends_the_extension_and_leaves_nothing() {
    let definitions = Definitions::new();
    definitions.script("extensions/wait.write", "echo $$ >pid; touch begun; sleep 300");
    definitions
        .cluster(&["a: {type: extensions/wait, location: x}", "b: {type: extensions/wait, location: x}"]);
    let child = definitions
        .command(&["deploy", "clusters/c.morph"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !definitions.path("begun").exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "the extension does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let ended = Done::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 143, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("a: interrupted\nb: not begun\n"), "{}", ended.stderr);
    let pid: i32 = definitions.read("pid").trim().parse().unwrap();
    assert!(kill(Pid::from_raw(pid), None).is_err(), "the extension is still there");
    assert!(definitions.left_over().is_empty(), "{:?}", definitions.left_over());
}

#[test]
fn another_system_takes_the_place_of_the_clusters() {
    let definitions = Definitions::new();
    definitions.write("systems/trial.morph", "name: trial\nkind: system\n");
    definitions.write("artifacts/trial/etc/os-release", "ID=trial\n");
    definitions.script("extensions/copy.write", COPY);
    definitions.cluster(&["self: {type: extensions/copy, location: out}"]);
    definitions.done(&["upgrade", "--system", "systems/trial", "clusters/c.morph", "self"]);
    assert_eq!(definitions.read("out/etc/os-release"), "ID=trial\n");
}

#[test]
fn scripts_need_not_be_executable() {
    let definitions = Definitions::new();
    definitions.write("extensions/copy.check", "#!/bin/sh -e\necho \"checking $1 by $0\"\n");
    definitions.write("extensions/copy.write", "#!/usr/bin/env sh\ncp -a \"$1\" \"$2\"\n");
    definitions.write("extensions/mark.configure", "#!/bin/sh\n: >\"$1/marked\"\n");
    definitions.write(
        "systems/base.morph",
        "name: base\nkind: system\nconfiguration-extensions: [extensions/mark]\n",
    );
    definitions.cluster(&["self: {type: extensions/copy, location: out}"]);
    let said = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded().stdout;
    assert!(said.contains("checking out by") && said.contains("extensions/copy.check"), "{said}");
    assert!(definitions.path("out/marked").exists() && definitions.path("out/etc/os-release").exists());
}
