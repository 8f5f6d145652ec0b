//! Machines whose disks are made from one tree have identities of their own.
//!
//! Pace: seconds

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::manage;
use tempfile::TempDir;

const ID: &str = "0123456789abcdef0123456789abcdef\n";
const UNITS: &str = "usr/lib/systemd/system";

/// A tree with the identity of the machine that it was built on.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.path("").to_str().unwrap()]);
        tree.write("etc/machine-id", ID);
        tree.write("var/lib/dbus/machine-id", ID);
        tree.write("var/lib/systemd/random-seed", "seed");
        fs::create_dir_all(tree.path("etc/ssh")).unwrap();
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(tree.path(KEY)))
            .ok();
        fs::set_permissions(tree.path(KEY), Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(tree.path(KEY), Some(0), Some(33)).unwrap();
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("tree").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn deployed(&self, variables: &[(&str, &str)]) -> (Image, Done) {
        let image = Image::to_be();
        let mut write = command("rawdisk-write");
        write.arg(self.path("")).arg(image.path()).env("BOOTLOADER_INSTALL", "none").env("DISK_SIZE", "512M");
        let done = run(write.envs(variables.iter().copied()));
        assert_eq!(done.code, 0, "{}", done.stderr);
        (image, done)
    }
}

const KEY: &str = "etc/ssh/ssh_host_ed25519_key";

/// A file of the version, and of the shared state; empty if there is none.
fn read(image: &Image, path: &str) -> String {
    let mounted = image.mount("subvolid=5");
    fs::read_to_string(mounted.path().join(path)).unwrap_or_default()
}

fn in_run(image: &Image, name: &str) -> String {
    read(image, &format!("systems/factory/run/{name}"))
}

#[test]
fn two_disks_of_one_tree_have_keys_and_ids_of_their_own() {
    let tree = Tree::new();
    let ((one, done), (other, _)) = (tree.deployed(&[]), tree.deployed(&[]));
    assert!(done.stderr.contains("ssh host keys of its own; KEEP_IDENTITY=yes keeps"), "{}", done.stderr);
    let public = format!("{KEY}.pub");
    for name in [KEY, &public, "etc/machine-id"] {
        let built = fs::read_to_string(tree.path(name)).unwrap();
        let [a, b] = [&one, &other].map(|image| in_run(image, name));
        assert!(!a.is_empty() && a != built && b != built && a != b, "{name}: {a}");
        assert_eq!(read(&one, &format!("systems/factory/orig/{name}")), built);
    }
    assert_eq!(in_run(&one, "etc/machine-id").trim().len(), 32);
    assert_eq!(read(&one, "state/var/lib/dbus/machine-id"), in_run(&one, "etc/machine-id"));
    assert_eq!(read(&one, "state/var/lib/systemd/random-seed"), "");
    let mounted = one.mount("subvolid=5");
    let key = fs::metadata(mounted.path().join("systems/factory/run").join(KEY)).unwrap();
    assert_eq!((key.mode() & 0o7777, key.uid(), key.gid()), (0o640, 0, 33));
    let names = fs::read_dir(mounted.path().join("systems/factory/run/etc/ssh")).unwrap().count();
    assert_eq!(names, 2, "nothing is left of making the key");
    drop(mounted);
    manage(&one, &["verify"]).ok();
}

#[test]
fn what_the_system_makes_itself_is_left_to_it() {
    let tree = Tree::new();
    tree.write("usr/lib/systemd/systemd", "");
    tree.write(&format!("{UNITS}/sshd.service"), "[Unit]\nWants=sshd-keygen.target\n");
    let (image, done) = tree.deployed(&[]);
    assert!(done.stderr.contains("makes its own ssh host keys when it first boots"), "{}", done.stderr);
    let mounted = image.mount("subvolid=5");
    let run = mounted.path().join("systems/factory/run");
    assert_eq!(fs::read(run.join("etc/machine-id")).unwrap(), b"");
    assert!(!run.join(KEY).exists() && !run.join(format!("{KEY}.pub")).exists());
    assert!(!mounted.path().join("state/var/lib/dbus/machine-id").exists());
}

#[test]
fn the_identity_of_the_tree_stays_where_it_is_wanted() {
    let tree = Tree::new();
    let key = fs::read_to_string(tree.path(KEY)).unwrap();
    let (image, done) = tree.deployed(&[("KEEP_IDENTITY", "yes")]);
    assert_eq!((in_run(&image, KEY), in_run(&image, "etc/machine-id").as_str()), (key.clone(), ID));
    assert_eq!(done.stderr, "");
    let (image, done) = tree.deployed(&[("SOURCE_DATE_EPOCH", "1")]);
    assert_eq!(in_run(&image, KEY), key);
    assert!(done.stderr.contains("the disk has the ssh host keys of the tree"), "{}", done.stderr);
    // mkfs.btrfs makes no filesystem with the UUID of one that is attached.
    image.wait_until_detached();
    let (again, _) = tree.deployed(&[("SOURCE_DATE_EPOCH", "1")]);
    assert_eq!(in_run(&image, "etc/machine-id"), in_run(&again, "etc/machine-id"));
}

#[test]
fn an_upgrade_keeps_the_identity_of_the_machine() {
    let tree = Tree::new();
    let (image, _) = tree.deployed(&[]);
    let mut write = command("rawdisk-write");
    write.arg(tree.path("")).arg(Path::new(&image.path())).env("UPGRADE", "yes").env("VERSION_LABEL", "v2");
    run(write.env("MERGE_ETC", "yes")).ok();
    for name in [KEY, "etc/machine-id"] {
        assert_eq!(read(&image, &format!("systems/v2/run/{name}")), in_run(&image, name), "{name}");
    }
}
