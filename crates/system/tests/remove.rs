//! Tests removal on this machine's filesystem and on real btrfs: mounted filesystems stay, and everything else in a tree is removed.
//!
//! Pace: seconds

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, Result};
use system::mount::{PrivateMount, leave_shared_namespace};
use system::{loopdev, remove};

fn run(program: &str, arguments: &[&OsStr]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Mounts `source` on `target` in this test's own namespace.
fn bind(source: &Path, target: &Path) {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// Makes a tree at `tree`, and data outside of it at `data`. From here on only this test sees its mounts.
fn tree_and_data(place: &Path) -> Dir {
    leave_shared_namespace().unwrap();
    for folder in ["tree/a", "tree/z/deep", "data"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    for file in ["tree/a/file", "tree/z/file", "data/precious"] {
        fs::write(place.join(file), "content").unwrap();
    }
    Dir::open(place).unwrap()
}

fn refused_at(outcome: Result<Vec<u64>>, wanted: &Path) {
    match outcome.unwrap_err() {
        Error::Mounted { path } => assert_eq!(path, wanted),
        other => panic!("{other}"),
    }
}

#[test]
fn a_mount_below_is_named_before_anything_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    let target = place.path().join("tree/z/deep");
    bind(&place.path().join("data"), &target);
    refused_at(remove::tree(&dir, "tree"), &target);
    refused_at(remove::below(&dir.dir("tree").unwrap()), &target);
    refused_at(remove::tree(&dir, "tree/z/deep"), &target);
    for file in ["tree/a/file", "tree/z/file", "data/precious"] {
        assert!(place.path().join(file).exists(), "{file}");
    }
    umount2(&target, MntFlags::empty()).unwrap();
    remove::tree(&dir, "tree").unwrap();
    assert!(!dir.has("tree").unwrap());
    assert!(dir.has("data/precious").unwrap());
}

#[test]
fn a_file_on_which_another_is_mounted_is_named_too() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    let target = place.path().join("tree/z/file");
    bind(&place.path().join("data/precious"), &target);
    refused_at(remove::tree(&dir, "tree"), &target);
    assert!(place.path().join("tree/a/file").exists());
    assert!(remove::tree(&dir, "tree/z/file").is_err());
    umount2(&target, MntFlags::empty()).unwrap();
}

#[test]
fn a_mount_beside_the_tree_does_not_matter() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    fs::create_dir(place.path().join("tree-2")).unwrap();
    bind(&place.path().join("data"), &place.path().join("tree-2"));
    remove::tree(&dir, "tree").unwrap();
    umount2(&place.path().join("tree-2"), MntFlags::empty()).unwrap();
}

#[test]
fn what_chattr_protects_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    let path = |name: &str| place.path().join(name);
    run("chattr", &["+i".as_ref(), path("tree/a/file").as_ref(), path("tree/a").as_ref()]);
    run("chattr", &["+a".as_ref(), path("tree/z").as_ref(), path("tree").as_ref()]);
    remove::tree(&dir, "tree").unwrap();
    assert!(!dir.has("tree").unwrap());
}

#[test]
fn what_is_left_keeps_its_flags() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    let path = |name: &str| place.path().join(name);
    fs::hard_link(path("tree/a/file"), path("data/other-name")).unwrap();
    run("chattr", &["+i".as_ref(), path("tree/a/file").as_ref()]);
    run("chattr", &["+a".as_ref(), place.path().as_ref()]);
    let outcome = remove::tree(&dir, "tree");
    let is_kept = [place.path(), &path("data/other-name")].map(|path| {
        let shown = Command::new("lsattr").arg("-d").arg(path).output().unwrap().stdout;
        shown.iter().take_while(|&&byte| byte != b' ').any(|byte| b"ia".contains(byte))
    });
    run("chattr", &["-R".as_ref(), "-ia".as_ref(), place.path().as_ref()]);
    outcome.unwrap();
    assert!(!dir.has("tree").unwrap());
    assert_eq!(is_kept, [true, true]);
}

#[test]
fn a_mount_is_found_from_a_directory_that_was_opened_in_another_namespace() {
    let place = tempfile::tempdir().unwrap();
    let dir = tree_and_data(place.path());
    let target = place.path().join("tree/z/file");
    bind(&place.path().join("data/precious"), &target);
    // While this is open, the directory's own namespace stays.
    let _namespace = fs::File::open("/proc/thread-self/ns/mnt").unwrap();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    refused_at(remove::tree(&dir, "tree"), &target);
    umount2(&target, MntFlags::empty()).unwrap();
}

#[test]
fn a_tree_of_any_depth_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let dir = Dir::open(place.path()).unwrap();
    let mut below = dir.duplicate().unwrap();
    // This is too deep for the length of a path, the number of open descriptors, and a recursive call.
    for _ in 0..3000 {
        below.make_dir("directory", 0o700).unwrap();
        below.write_new("file", 0o600, b"").unwrap();
        below = below.dir("directory").unwrap().shown_as("deep");
    }
    remove::tree(&dir, "directory").unwrap();
    assert!(!dir.has("directory").unwrap());
}

#[test]
fn subvolumes_go_whatever_they_are_called() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk");
    fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    run("mkfs.btrfs", &["-q".as_ref(), image.as_ref()]);
    let file = fs::File::options().read(true).write(true).open(&image).unwrap();
    let device = loopdev::LoopDevice::attach(&file, &image, 0, 0, false).unwrap();
    let mounted = PrivateMount::new(device.path(), "btrfs", MsFlags::empty(), "").unwrap();
    let top = Dir::open(mounted.path()).unwrap();
    top.make_dir("tree", 0o755).unwrap();
    btrfs::create(&top, "source").unwrap();
    top.write_new("source/file", 0o600, b"content").unwrap();
    let tree = top.dir("tree").unwrap();
    let source = top.dir("source").unwrap();
    btrfs::snapshot(&source, &tree, "frozen", Access::ReadOnly).unwrap();
    btrfs::snapshot(&source, &tree, "odd", Access::Writable).unwrap();
    btrfs::snapshot(&source, &tree.dir("odd").unwrap(), "inner", Access::Writable).unwrap();
    tree.rename("odd", OsStr::from_bytes(b"\xff odd")).unwrap();
    drop((tree, source));
    let default = mounted.path().join("tree/odd2");
    btrfs::snapshot(&top.dir("source").unwrap(), &top.dir("tree").unwrap(), "odd2", Access::Writable)
        .unwrap();
    run("btrfs", &["subvolume".as_ref(), "set-default".as_ref(), default.as_ref()]);
    assert!(remove::tree(&top.dir("tree").unwrap(), "odd2").is_err(), "btrfs does not delete its default");
    assert!(default.join("file").exists(), "root does not empty what cannot be deleted");
    run("btrfs", &["subvolume".as_ref(), "set-default".as_ref(), mounted.path().as_ref()]);
    let deleted = remove::tree(&top, "tree").unwrap();
    assert_eq!(deleted.len(), 4);
    assert!(!top.has("tree").unwrap());
    assert_eq!(remove::tree(&top, "source").unwrap().len(), 1);
}
