//! The store: adding, listing, switching, cloning, removing, and everything that is refused.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use baserock_tests::bound::Bound;
use baserock_tests::chroot::{Place, path};
use baserock_tests::image::Image;
use baserock_tests::programs::run;

#[test]
fn archives_of_every_compression_are_added_by_their_content() {
    let place = Place::new();
    place.busybox();
    for (program, label) in
        [("cat", "plain"), ("gzip -1", "gz"), ("xz -0", "xz"), ("zstd -q", "zst"), ("bzip2 -1", "bz2")]
    {
        place.shell(&format!("{program} < busybox.tar > archive"));
        place.manage(["add", label, path(&place.path().join("archive"))]).ok();
        assert_eq!(place.inside(label, "echo works").ok(), "works\n", "{label}");
    }
    assert_eq!(place.names(), ["bz2", "default", "gz", "plain", "xz", "zst"]);
}

#[test]
fn a_system_in_a_folder_of_its_archive_is_added_without_the_folder() {
    let place = Place::new();
    place.shell("mkdir -p d/root.x86_64/bin d/root.x86_64/etc; cp /bin/busybox d/root.x86_64/bin/sh; echo list > d/packages; tar -C d -cf archive .");
    let archive = place.path().join("archive");
    place.manage(["add", "devel", path(&archive)]).refused(&["root.x86_64", "--strip-components 1"]);
    place
        .manage(["add", "devel", path(&place.path().join("d"))])
        .refused(&["root.x86_64", "name the folder"]);
    let folder = place.path().join("d");
    let stripped = ["add", "devel", path(&folder), "--strip-components", "1"];
    place.manage(stripped).refused(&["is a directory", "name the folder in it"]);
    // The names begin with `./`, which counts, as for tar.
    place.manage(["add", "devel", path(&archive), "--strip-components", "2"]).ok();
    assert!(place.tree("devel").join("bin/sh").exists() && !place.tree("devel").join("packages").exists());
}

#[test]
fn a_directory_is_copied_with_its_owners() {
    let place = Place::new();
    place.shell(
        "mkdir -p d/bin d/etc; cp /bin/busybox d/bin/sh; echo x > d/f; chown 12:34 d/f; chmod 4751 d/f",
    );
    place.manage(["add", "devel", path(&place.path().join("d"))]).ok();
    let file = fs::metadata(place.tree("devel").join("f")).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (12, 34, 0o4751));
    fs::create_dir(place.path().join("store/x")).unwrap();
    place.manage(["add", "all", path(place.path())]).refused(&["the store", "is inside"]);
}

#[test]
fn the_first_one_is_the_default_until_another_is_chosen() {
    let place = Place::with("one");
    let second = place.manage(["add", "two", path(&place.busybox())]).ok();
    assert_eq!(second, "added two\n");
    let list = place.manage(["list"]).ok();
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((&lines[0][..2], lines[1][0]), (&["one", "default"][..], "two"));
    assert!(lines[0].contains(&path(&place.busybox())), "{list}");
    place.manage(["set-default", "two"]).ok();
    let json = place.manage(["list", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["format"], 1);
    assert_eq!((&json[0]["default"], &json[1]["default"]), (&false.into(), &true.into()));
    assert_eq!(json[1]["source"], path(&place.busybox()));
    assert_eq!(json[1]["sha256"].as_str().unwrap().len(), 64);
    assert!(json[1]["size"].as_u64().unwrap() > 500_000 && json[1]["added"].as_str().unwrap().ends_with('Z'));
    place.manage(["set-default", "three"]).refused(&["there is no chroot three"]);
}

#[test]
fn a_chroot_in_which_something_is_mounted_is_named_and_stays_whole() {
    let place = Place::with("devel");
    let data = Bound::new(&place.tree("devel").join("srv/data"));
    place.manage(["rm", "devel"]).refused(&["devel/tree/srv/data is a mount point", "unmount it first"]);
    data.is_whole();
    assert_eq!(place.inside("devel", "echo works").ok(), "works\n");
    assert!(place.manage(["list"]).ok().starts_with("devel  default"), "it is still the default");
    drop(data);
    place.manage(["rm", "devel"]).ok();
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn an_empty_store_lists_nothing_and_is_not_made() {
    let place = Place::new();
    assert_eq!(place.manage(["list"]).ok(), "");
    assert_eq!(place.manage(["list", "--json"]).ok(), "[]\n");
    assert!(!place.store().exists());
}

#[test]
fn labels_are_checked_and_never_taken_twice() {
    let place = Place::with("devel");
    let archive = place.busybox();
    place.manage(["add", "devel", path(&archive)]).refused(&["there is a chroot devel already"]);
    place.manage(["add", "src", path(&archive)]).refused(&["shared folder"]);
    for label in ["", "a/b", "..", "default", ".x", "a b", "ä", &"x".repeat(101)] {
        let done = place.manage(["add", label, path(&archive)]);
        assert_eq!(done.code, 2, "{label}: {}", done.stderr);
        assert!(done.stderr.contains("invalid label"), "{}", done.stderr);
    }
    assert_eq!(place.names(), ["default", "devel"]);
}

#[test]
fn what_cannot_be_added_leaves_nothing() {
    let place = Place::new();
    place.busybox();
    place.shell(
        "head -c 100000 busybox.tar > cut.tar; gzip < busybox.tar | head -c 200000 > cut.tar.gz
         echo nonsense > odd.tar; : > empty.tar; tar -cf none.tar -T /dev/null
         mkdir -p rootfs/bin; cp /bin/busybox rootfs/bin/sh; tar -cf deeper.tar rootfs
         gzip < busybox.tar > damaged.tar.gz; printf XXXX | dd of=damaged.tar.gz bs=1 seek=300000 conv=notrunc status=none",
    );
    for (file, why) in [
        ("cut.tar", "cut short"),
        ("cut.tar.gz", "cut short"),
        ("odd.tar", "not a tar archive"),
        ("empty.tar", "the file is empty"),
        ("none.tar", "the archive is empty"),
        ("deeper.tar", "the system is in the folder rootfs of it"),
        ("damaged.tar.gz", "damaged"),
        ("missing.tar", "No such file or directory"),
        ("/dev/zero", "the archive is empty"),
    ] {
        let file = place.path().join(file);
        place.manage(["add", "devel", path(&file)]).refused(&[path(&file), why]);
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let place = Place::new();
    place.busybox();
    // In a mount namespace of this thread, which the programs inherit.
    let image = Image::blank(8);
    run(Command::new("mkfs.ext4").arg("-q").arg(image.path())).ok();
    let script = "mkdir small; mount -o loop $0 small; df --output=used small | tail -1 > before
        head -c 20M /dev/urandom > big; mkdir -p t/bin; cp /bin/busybox t/bin/sh; mv big t/; tar -cf big.tar t -C t .
        set +e; $1 --store small/store add devel big.tar 2> message; echo $? > code; ls -A small/store > left; true";
    let mut unshared = Command::new("unshare");
    unshared
        .args(["-m", "bash", "-euc", script])
        .arg(image.path())
        .arg(baserock_tests::programs::path("manage-baserock"));
    run(unshared.current_dir(place.path())).ok();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert!(
        read("message").contains("no space left in small/store; nothing was added"),
        "{}",
        read("message")
    );
    assert_eq!((read("code").trim(), read("left").as_str()), ("1", ""));
}

#[test]
fn a_store_that_cannot_be_written_to_is_said() {
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    let store = place.path().join("file/store");
    place
        .manage(["--store", path(&store), "add", "devel", path(&place.busybox())])
        .refused(&["cannot create the store"]);
    place
        .manage(["--store", "/proc/store", "add", "devel", path(&place.busybox())])
        .refused(&["/proc/store"]);
}

#[test]
fn the_default_is_removed_last_or_by_force() {
    let place = Place::with("one");
    place.manage(["clone", "one", "two"]).ok();
    place.manage(["rm", "one"]).refused(&["one is the default", "set-default"]);
    place.manage(["rm", "three"]).refused(&["there is no chroot three"]);
    place.manage(["rm", "one", "--force"]).ok();
    assert_eq!(place.names(), ["two"]);
    place.enter(["--", "true"]);
    place.manage(["set-default", "two"]).ok();
    place.manage(["remove", "two"]).ok();
    assert!(place.names().is_empty());
}

#[test]
fn a_chroot_with_somebody_inside_stays() {
    let place = Place::with("devel");
    let mut child = place.enter_command().args(["devel", "--", "sleep", "100"]).spawn().unwrap();
    let list = || serde_json::from_str(&place.manage(["list", "--json"]).ok()).unwrap();
    let sleeps = |json: &serde_json::Value| {
        let inside = json[0]["in_use_by"].as_array().unwrap();
        inside.iter().find(|process| process["name"] == "sleep").map(|process| process["pid"].clone())
    };
    let pid = loop {
        match sleeps(&list()) {
            Some(pid) => break pid,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(place.manage(["list"]).ok().contains("in use"));
    let who = format!("sleep (process {pid})");
    place.manage(["rm", "devel"]).refused(&["devel is in use by", &who]);
    place.manage(["rm", "--force", "devel"]).refused(&["devel is in use by", &who]);
    place.shell(&format!("kill {pid}"));
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    place.manage(["rm", "devel"]).ok();
}

#[test]
fn subvolumes_inside_are_cloned_and_mounts_are_named() {
    let image = Image::btrfs(256);
    let mounted = image.mount("");
    let place = Place::new();
    let store = mounted.path().join("store");
    let manage =
        |arguments: &[&str]| run(place.manage_command().env("BASEROCK_CHROOTS", &store).args(arguments));
    manage(&["add", "one", path(&place.busybox())]).ok();
    place.shell(&format!(
        "cd {}/one/tree && mkdir -p fixed deep && btrfs -q subvolume create fixed/a && btrfs -q subvolume create fixed/a/b &&
         echo x > fixed/a/b/f && mkdir mnt && chattr +i fixed fixed/a/b/f fixed/a/b && chattr +a fixed/a",
        path(&store)
    ));
    let mount = Bound::new(&store.join("one/tree/mnt"));
    let done = manage(&["clone", "one", "two"]);
    assert!(done.stderr.contains("one/tree/mnt is a mount point"), "{}", done.stderr);
    done.ok();
    assert_eq!(fs::read_to_string(store.join("two/tree/fixed/a/b/f")).unwrap(), "x\n");
    manage(&["rm", "two"]).ok();
    drop(mount);
    manage(&["rm", "one", "--force"]).ok();
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
}

#[test]
fn what_is_left_of_a_removal_is_told() {
    let place = Place::with("devel");
    fs::create_dir(place.store().join(".removing.old")).unwrap();
    let done = place.manage(["list"]);
    assert!(done.stderr.contains("old was not removed to the end"), "{}", done.stderr);
    place.manage(["clone", "devel", "new"]).ok();
    assert!(place.manage(["list"]).stderr.is_empty());
}

#[test]
fn a_clone_is_changed_without_its_origin() {
    let place = Place::with("one");
    place.inside("one", "echo first > /file").ok();
    place.manage(["clone", "one", "two"]).ok();
    place.inside("two", "echo second > /file").ok();
    assert_eq!(place.inside("one", "cat /file").ok(), "first\n");
    assert_eq!(place.inside("two", "cat /file").ok(), "second\n");
    let list = place.manage(["list"]).ok();
    assert!(list.contains("clone of one"), "{list}");
    place.manage(["clone", "one", "two"]).refused(&["there is a chroot two already"]);
    place.manage(["clone", "none", "three"]).refused(&["there is no chroot none"]);
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next_command() {
    let place = Place::with("one");
    // An archive without end, so that the process is in the middle of it whenever it is killed.
    place.shell("mkfifo endless");
    let mut feeder = Command::new("bash")
        .args(["-c", "exec > endless; head -c 1000000 busybox.tar; sleep 100"])
        .current_dir(place.path())
        .spawn()
        .unwrap();
    let mut add = place.manage_command();
    let mut child =
        add.args(["add", "two", path(&place.path().join("endless"))]).stderr(Stdio::null()).spawn().unwrap();
    while !place.store().join(".incoming.two/tree").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    place
        .manage(["add", "two", path(&place.busybox())])
        .refused(&["chroot two", &format!("(process {})", child.id())]);
    child.kill().unwrap();
    child.wait().unwrap();
    feeder.kill().unwrap();
    feeder.wait().unwrap();
    assert_eq!(place.names(), [".incoming.two", "default", "one"]);
    place.manage(["set-default", "one"]).ok();
    assert_eq!(place.names(), ["default", "one"]);
}

#[test]
fn on_btrfs_a_chroot_is_a_subvolume() {
    let image = Image::btrfs(400);
    let mounted = image.mount("");
    let store = mounted.path().join("store");
    let place = Place::new();
    let manage = |arguments: &[&str]| place.manage(["--store", path(&store)].iter().chain(arguments)).ok();
    manage(&["add", "one", path(&place.busybox())]);
    manage(&["clone", "one", "two"]);
    for label in ["one", "two"] {
        assert_eq!(fs::metadata(store.join(label).join("tree")).unwrap().ino(), 256);
    }
    assert_eq!(place.enter(["--store", path(&store), "two", "--", "sh", "-c", "echo works"]).ok(), "works\n");
    manage(&["rm", "two"]);
    manage(&["rm", "one"]);
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
    assert_eq!(run(Command::new("btrfs").args(["subvolume", "list"]).arg(mounted.path())).ok(), "");
}
