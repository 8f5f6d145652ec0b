//! Tests merges on disk beyond the cases: owners outside etc, second merges, failures. Needs root.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use baserock::Refusal;
use baserock::etc::Record;
use baserock::rootfs::etc::merge::BEFORE_MERGE;
use baserock::rootfs::etc::{Inputs, Outcome, Request, merge, scan};
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use system::Result;
use system::dir::Dir;
use system::observer::Silent;
use tempfile::TempDir;

/// A capability as the kernel stores it: version 2, effective, `CAP_NET_RAW`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

struct Versions {
    place: TempDir,
}

impl Versions {
    /// Two versions with a file each, the new one not merged yet.
    fn new() -> Self {
        let versions = Versions { place: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("v1/etc/a", "1\n"),
            ("vuser/etc/a", "2\n"),
            ("v2/etc/a", "1\n"),
            ("v2/etc/b", "1\n"),
            ("new/run/etc/a", "1\n"),
            ("new/run/etc/b", "1\n"),
        ] {
            versions.write(path, text);
        }
        versions
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.place.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn merge(&self, request: &Request, old: Option<&Record>, new: Option<&Record>) -> Result<Outcome> {
        let dir = |name: &str| Dir::open(self.path(name)).unwrap();
        let inputs = Inputs {
            old: "old",
            old_id: Some("1".into()),
            new: "new",
            old_orig: &dir("v1"),
            old_run: &dir("vuser"),
            old_record: old,
            new_orig: &dir("v2"),
            new_run: &dir("new/run"),
            new_record: new,
            shared: &[],
            new_version: &dir("new").shown_as("/systems/new"),
        };
        merge(&inputs, request, &Silent)
    }
}

fn again() -> Request {
    Request { again: true, ..Request::default() }
}

#[test]
fn a_dry_run_changes_nothing() {
    let versions = Versions::new();
    let request = Request { dry_run: true, ..Request::default() };
    let outcome = versions.merge(&request, None, None).unwrap();
    assert_eq!(outcome.steps.iter().map(ToString::to_string).collect::<Vec<_>>(), ["keep a", "add b"]);
    assert_eq!(versions.read("new/run/etc/a"), "1\n");
}

#[test]
fn a_second_merge_is_refused_where_the_result_was_edited_and_keeps_the_edits_when_it_is_forced() {
    let versions = Versions::new();
    let first = versions.merge(&Request::default(), None, None).unwrap();
    versions.merge(&Request::default(), None, Some(&first.record)).unwrap();
    versions.write("new/run/etc/a", "edited\n");
    let refused = versions.merge(&Request::default(), None, Some(&first.record)).unwrap_err();
    assert!(matches!(refused.kind(), Some(Refusal::EtcEdited { label, .. }) if label == "new"), "{refused}");
    assert_eq!(refused.to_string(), "somebody has edited etc of new since it was deployed");
    assert_eq!(versions.read("new/run/etc/a"), "edited\n");

    let forced = versions.merge(&again(), None, Some(&first.record)).unwrap();
    assert_eq!(versions.read("new/run/etc/a"), "2\n");
    assert_eq!(versions.read(&format!("new/{BEFORE_MERGE}/a")), "edited\n");
    assert_eq!(forced.record, first.record);
}

#[test]
fn an_etc_that_was_edited_before_the_first_merge_is_noticed_too() {
    let versions = Versions::new();
    versions.write("new/run/etc/b", "edited\n");
    assert!(versions.merge(&Request::default(), None, None).is_err());
    versions.merge(&again(), None, None).unwrap();
    assert_eq!(versions.read(&format!("new/{BEFORE_MERGE}/b")), "edited\n");
}

#[test]
fn what_a_machine_changes_by_running_is_no_edit() {
    let versions = Versions::new();
    let first = versions.merge(&Request::default(), None, None).unwrap();
    for path in ["machine-id", "resolv.conf", "ssh/ssh_host_rsa_key", ".updated", "ld.so.cache"] {
        versions.write(&format!("new/run/etc/{path}"), "x\n");
    }
    // A running machine makes host keys, but not their directory.
    let now = scan::read(Dir::open(versions.path("new/run/etc")).unwrap()).unwrap();
    assert!(first.record.result_changed(&now));
    fs::remove_dir_all(versions.path("new/run/etc/ssh")).unwrap();
    let now = scan::read(Dir::open(versions.path("new/run/etc")).unwrap()).unwrap();
    assert!(!first.record.result_changed(&now));
    fs::set_permissions(versions.path("new/run/etc/a"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(
        first.record.result_changed(&scan::read(Dir::open(versions.path("new/run/etc")).unwrap()).unwrap())
    );
}

#[test]
fn the_record_tells_whether_the_old_versions_etc_was_changed_since() {
    let versions = Versions::new();
    let read = || scan::read(Dir::open(versions.path("vuser/etc")).unwrap()).unwrap();
    let record = versions.merge(&Request::default(), None, None).unwrap().record;
    assert!(!record.user_changed(&read()));
    versions.write("vuser/etc/hostname", "other\n");
    assert!(record.user_changed(&read()));
}

#[test]
fn a_failed_merge_leaves_nothing() {
    let versions = Versions::new();
    versions.write("new/run/.etc.new/debris", "x\n");
    versions.write("v2/etc/c", "2\n");
    versions.write("v1/etc/c", "1\n");
    fs::create_dir(versions.path("vuser/etc/c")).unwrap();
    versions.write("new/run/etc/c", "2\n");
    let error = versions.merge(&Request::default(), None, None).unwrap_err().to_string();
    assert!(error.contains("etc/c is a directory on this machine and a file in the new version"), "{error}");
    assert_eq!(versions.read("new/run/etc/a"), "1\n");

    let take = vec!["c=new".parse().unwrap()];
    let request =
        Request { options: baserock::etc::Options { take, ..Default::default() }, ..Request::default() };
    versions.merge(&request, None, None).unwrap();
    assert_eq!(versions.read("new/run/etc/a"), "2\n");
    assert!(!versions.path("new/run/.etc.new").exists());
}

#[test]
fn a_version_without_etc_gets_one() {
    let versions = Versions::new();
    fs::remove_dir_all(versions.path("v2/etc")).unwrap();
    fs::remove_dir_all(versions.path("new/run/etc")).unwrap();
    versions.merge(&Request::default(), None, None).unwrap();
    assert_eq!(versions.read("new/run/etc/a"), "2\n");
}

/// The number of messagebus is 106 in the old version and 107 in the new one, in which a new account has 106.
fn drifting() -> Versions {
    let versions = Versions::new();
    let root = ("root:x:0:0::/root:/bin/sh\n", "root:x:0:\n");
    for tree in ["v1/etc", "vuser/etc"] {
        versions.write(&format!("{tree}/passwd"), &format!("{}messagebus:x:106:106::/:\n", root.0));
        versions.write(&format!("{tree}/group"), &format!("{}messagebus:x:106:\n", root.1));
    }
    for tree in ["v2", "new/run"] {
        let etc = format!("{tree}/etc");
        versions.write(
            &format!("{etc}/passwd"),
            &format!("{}messagebus:x:107:107::/:\n_new:x:106:106::/:\n", root.0),
        );
        versions.write(&format!("{etc}/group"), &format!("{}messagebus:x:107:\n_new:x:106:\n", root.1));
        versions.write(&format!("{tree}/usr/lib/helper"), "#!\n");
        versions.write(&format!("{tree}/usr/bin/ping"), "#!\n");
        versions.write(&format!("{tree}/usr/share/new"), "x\n");
        let path = |name: &str| versions.path(&format!("{tree}/{name}"));
        symlink("helper", path("usr/lib/link")).unwrap();
        fs::hard_link(path("usr/lib/helper"), path("usr/lib/helper2")).unwrap();
        chown(path("usr/lib/helper"), Some(0), Some(107)).unwrap();
        fs::set_permissions(path("usr/lib/helper"), fs::Permissions::from_mode(0o4750)).unwrap();
        lchown(path("usr/lib/link"), Some(107), Some(107)).unwrap();
        chown(path("usr/bin/ping"), Some(107), Some(0)).unwrap();
        lsetxattr(path("usr/bin/ping"), "security.capability", &CAPABILITY, XattrFlags::empty()).unwrap();
        chown(path("usr/share/new"), Some(106), Some(106)).unwrap();
        chown(path("usr/share"), Some(107), Some(107)).unwrap();
        fs::set_permissions(path("usr/share"), fs::Permissions::from_mode(0o2775)).unwrap();
    }
    versions
}

fn owner(path: &Path) -> (u32, u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
}

#[test]
fn files_follow_their_owners_with_set_id_bits_and_capabilities() {
    let versions = drifting();
    let path = |name: &str| versions.path(&format!("new/run/{name}"));
    let outcome = versions.merge(&Request::default(), None, None).unwrap();
    assert_eq!(owner(&path("usr/lib/helper")), (0, 106, 0o4750));
    assert_eq!(owner(&path("usr/lib/helper2")), (0, 106, 0o4750));
    assert_eq!(owner(&path("usr/lib/link")), (106, 106, 0o777));
    assert_eq!(owner(&path("usr/share")), (106, 106, 0o2775));
    assert_eq!(owner(&path("usr/share/new")), (999, 999, 0o644));
    assert_eq!(owner(&path("usr/bin/ping")), (106, 0, 0o644));
    let mut capability = [0; 20];
    lgetxattr(path("usr/bin/ping"), "security.capability", &mut capability).unwrap();
    assert_eq!(capability, CAPABILITY);
    assert_eq!(outcome.reowned, 5, "each inode once, and only those that moved");
}

#[test]
fn acls_follow_their_accounts_in_the_tree_and_in_etc() {
    let versions = drifting();
    let acl = |user: u32| {
        let mut bytes = 2u32.to_le_bytes().to_vec();
        for (tag, may, id) in
            [(1u16, 6u16, u32::MAX), (2, 4, user), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 4, u32::MAX)]
        {
            bytes.extend([&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat());
        }
        bytes
    };
    for tree in ["v2", "new/run"] {
        versions.write(&format!("{tree}/etc/with-acl"), "x\n");
        for path in ["etc/with-acl", "usr/share/new", "usr/lib/helper"] {
            let path = versions.path(&format!("{tree}/{path}"));
            lsetxattr(path, "system.posix_acl_access", &acl(107), XattrFlags::empty()).unwrap();
        }
        let folder = versions.path(&format!("{tree}/usr/lib"));
        lsetxattr(folder, "system.posix_acl_default", &acl(106), XattrFlags::empty()).unwrap();
    }
    versions.merge(&Request::default(), None, None).unwrap();
    let found = |path: &str, name: &str| {
        let mut value = [0; 64];
        let length = lgetxattr(versions.path(&format!("new/run/{path}")), name, &mut value).unwrap();
        value[..length].to_vec()
    };
    for path in ["etc/with-acl", "usr/share/new", "usr/lib/helper"] {
        assert_eq!(found(path, "system.posix_acl_access"), acl(106), "{path}");
    }
    assert_eq!(found("usr/lib", "system.posix_acl_default"), acl(999));
}

#[test]
fn re_owning_again_changes_nothing_and_leaves_what_was_given_away() {
    let versions = drifting();
    let path = |name: &str| versions.path(&format!("new/run/{name}"));
    let first = versions.merge(&Request::default(), None, None).unwrap();
    chown(path("usr/bin/ping"), Some(33), None).unwrap();
    // Without the record, as after a crash, everything is examined again.
    let second = versions.merge(&again(), None, None).unwrap();
    assert_eq!((second.reowned, &second.record), (0, &first.record));
    assert_eq!(owner(&path("usr/bin/ping")).0, 33);
    assert_eq!(owner(&path("usr/lib/helper")), (0, 106, 0o4750));

    // The machine's numbers change, so files go from the earlier merge's numbers to the new ones.
    versions.write("vuser/etc/group", "root:x:0:\nmessagebus:x:120:\n");
    let third = versions.merge(&Request::default(), None, Some(&first.record)).unwrap();
    assert_eq!(third.record.moves.groups[&107], 120);
    assert_eq!(owner(&path("usr/lib/helper")), (0, 120, 0o4750));
    assert_eq!(owner(&path("usr/share")), (106, 120, 0o2775));
}
