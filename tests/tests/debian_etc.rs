//! The merge on a real /etc: of a Debian release that an administrator has worked on, into its update.
//!
//! Pace: minutes

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{Done, command, run, shell};

/// Two versions in a directory, each with `etc` alone; a merge needs no more.
struct Versions {
    place: tempfile::TempDir,
}

impl Versions {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        for (label, build) in [("old", Debian::Release), ("new", Debian::Updated)] {
            for part in ["orig", "run"] {
                let tree = place.path().join("systems").join(label).join(part);
                fs::create_dir_all(&tree).unwrap();
                let etc = inputs::debian(build).unwrap().join("etc");
                shell("cp", &["-a", etc.to_str().unwrap(), tree.to_str().unwrap()]);
            }
        }
        Versions { place }
    }

    fn etc(&self, version: &str) -> PathBuf {
        self.place.path().join("systems").join(version).join("etc")
    }

    fn merge(&self, options: &[&str]) -> Done {
        let mut merge = command("baserock-system-config-sync");
        run(merge.arg("--volume").arg(self.place.path()).args(["merge", "old", "new"]).args(options))
    }

    fn merged(&self, path: &str) -> String {
        fs::read_to_string(self.etc("new/run").join(path)).unwrap()
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// The number of an account in an `etc`.
fn number(etc: &Path, account: &str) -> u32 {
    let passwd = fs::read_to_string(etc.join("passwd")).unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{account}:"))).expect("the account");
    line.split(':').nth(2).unwrap().parse().unwrap()
}

#[test]
fn an_administrators_work_is_in_the_update() {
    let versions = Versions::new();
    let mine = versions.etc("old/run");
    edit(&mine.join("ssh/sshd_config"), "#PermitRootLogin prohibit-password", "PermitRootLogin no");
    edit(&mine.join("vendor/vendor.conf"), "name = machine", "name = night-server");
    fs::write(mine.join("hostname"), "night-server\n").unwrap();
    fs::write(mine.join("machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let wanted = "systemd/system/multi-user.target.wants/ssh.service";
    fs::remove_file(mine.join(wanted)).unwrap();
    symlink("/dev/null", mine.join("systemd/system/cron.service")).unwrap();
    fs::write(mine.join("cron.d/mine"), "0 4 * * * root true\n").unwrap();
    let drifted = number(&versions.etc("old/orig"), "messagebus");
    assert_ne!(drifted, number(&versions.etc("new/orig"), "messagebus"), "the builds number accounts alike");

    let done = versions.merge(&[]);
    assert!(!done.stderr.contains("conflict"), "{}", done.stderr);
    done.ok();
    assert!(versions.merged("ssh/sshd_config").contains("\nPermitRootLogin no\n"));
    let vendor = versions.merged("vendor/vendor.conf");
    for line in ["name = night-server", "limit = 20", "colour = blue", "added = yes"] {
        assert!(vendor.contains(line), "{vendor}");
    }
    assert!(!versions.etc("new/run").join("vendor/dropped.conf").exists());
    assert_eq!(versions.merged("hostname"), "night-server\n");
    assert_eq!(versions.merged("machine-id"), "0123456789abcdef0123456789abcdef\n");
    assert!(versions.etc("new/run").join(wanted).symlink_metadata().is_err(), "what was disabled came back");
    let masked = fs::read_link(versions.etc("new/run").join("systemd/system/cron.service")).unwrap();
    assert_eq!(masked, Path::new("/dev/null"));
    assert_eq!(versions.merged("cron.d/mine"), "0 4 * * * root true\n");
    assert_eq!(number(&versions.etc("new/run"), "messagebus"), drifted);
    assert!(number(&versions.etc("new/run"), "tcpdump") > 0, "the new version's accounts are there");
    let shadow = fs::metadata(versions.etc("new/run").join("shadow")).unwrap();
    assert_eq!(shadow.mode() & 0o7777, 0o640);
    let rejected = shell("find", &[versions.etc("new/run").to_str().unwrap(), "-name", "*.rej"]);
    assert_eq!(rejected, "");
}

#[test]
fn a_plan_changes_nothing_and_a_second_merge_gives_the_same() {
    let versions = Versions::new();
    edit(&versions.etc("old/run").join("vendor/vendor.conf"), "limit = 10", "limit = 15");
    let before = listing(&versions.etc("new/run"));
    let plan = versions.merge(&["--dry-run"]).ok();
    assert!(plan.lines().any(|line| line.starts_with("conflict vendor/vendor.conf")), "{plan}");
    assert_eq!(listing(&versions.etc("new/run")), before);
    versions.merge(&[]).ok();
    let merged = listing(&versions.etc("new/run"));
    assert!(versions.merged("vendor/vendor.conf.rej").contains("+limit = 15"));
    versions.merge(&[]).ok();
    assert_eq!(listing(&versions.etc("new/run")), merged);
    fs::write(versions.etc("new/run").join("motd"), "edited since\n").unwrap();
    versions.merge(&[]).refused(&["somebody has edited", "--again"]);
    versions.merge(&["--again"]).ok();
    assert_eq!(listing(&versions.etc("new/run")), merged);
}

fn listing(etc: &Path) -> String {
    let script =
        r"find . -printf '%P %y %m %U %G %l\n' | sort; find . -type f | sort | xargs -d '\n' sha256sum";
    let output = std::process::Command::new("sh").args(["-c", script]).current_dir(etc).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
