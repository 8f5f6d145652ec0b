//! Versions that are in use, or have something of the administrator's in them.
//!
//! Pace: seconds

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use baserock_tests::image::Image;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::version::{factory_image, manage, manage_at, put_tree};

/// An image with a version that can be removed.
fn with_devel() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

/// A program that runs until this is dropped.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn background(program: &str, arguments: &[&str], directory: &Path) -> Background {
    Background(Command::new(program).args(arguments).current_dir(directory).spawn().unwrap())
}

/// Nothing of the version is gone.
#[track_caller]
fn is_whole(top: &Path, label: &str) {
    let version = top.join("systems").join(label);
    assert!(["orig/etc", "run/etc", "kernel"].iter().all(|part| version.join(part).exists()));
    assert!(
        fs::read_to_string(top.join("extlinux/extlinux.conf")).unwrap().contains(&format!("label {label}"))
    );
}

#[test]
fn a_version_that_a_process_works_in_is_not_removed() {
    let image = with_devel();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let run = top.join("systems/devel/run");
    let busybox = run.join("bin/busybox");
    let here = Path::new("/");
    for (program, arguments, directory, words) in [
        ("chroot", &[run.to_str().unwrap(), "/bin/busybox", "sleep", "60"][..], here, "it is the root of"),
        ("sleep", &["60"], &*run.join("etc"), "it has the working directory of sleep"),
        (busybox.to_str().unwrap(), &["sleep", "60"], here, "it has the program of"),
    ] {
        let process = background(program, arguments, directory);
        // The process becomes another program only after a moment.
        let refused = || manage_at(top, &["remove", "devel"]);
        std::thread::sleep(Duration::from_millis(300));
        refused().refused(&["version devel is in use", words, &format!("(process {})", process.0.id())]);
        is_whole(top, "devel");
    }
    manage_at(top, &["remove", "devel"]).ok();
}

#[test]
fn a_subvolume_that_somebody_made_in_a_version_is_named_and_stays() {
    let image = with_devel();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let subvolume = |path: &str| {
        shell("btrfs", &["-q", "subvolume", "create", top.join(path).to_str().unwrap()]);
    };
    subvolume("systems/devel/run/data");
    subvolume("systems/devel/run/data/inner");
    fs::write(top.join("systems/devel/run/data/inner/precious"), "data").unwrap();
    manage_at(top, &["remove", "devel"]).refused(&["/systems/devel/run/data is a subvolume", "not empty"]);
    is_whole(top, "devel");
    assert_eq!(fs::read(top.join("systems/devel/run/data/inner/precious")).unwrap(), b"data");
    fs::rename(top.join("systems/devel/run/data"), top.join("systems/devel/backup")).unwrap();
    manage_at(top, &["remove", "devel"]).refused(&["/systems/devel/backup is a subvolume"]);
    is_whole(top, "devel");
    fs::rename(top.join("systems/devel/backup"), top.join("data")).unwrap();
    subvolume("systems/devel/run/empty");
    manage_at(top, &["remove", "devel"]).ok();
    assert_eq!(fs::read(top.join("data/inner/precious")).unwrap(), b"data");
}

#[test]
fn what_is_mounted_in_a_version_through_another_mount_is_named_and_stays() {
    let image = with_devel();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let place = top.join("systems/devel/run/home");
    shell("mount", &["-t", "tmpfs", "none", place.to_str().unwrap()]);
    fs::write(place.join("precious"), "data").unwrap();
    let device = shell("findmnt", &["-no", "SOURCE", top.to_str().unwrap()]);
    manage_at(Path::new(device.trim()), &["remove", "devel"])
        .refused(&["version devel is in use", "systems/devel/run/home"]);
    is_whole(top, "devel");
    assert_eq!(fs::read(place.join("precious")).unwrap(), b"data");
    shell("umount", &[place.to_str().unwrap()]);
    manage_at(Path::new(device.trim()), &["remove", "devel"]).ok();
}

#[test]
fn a_version_with_the_default_subvolume_is_not_half_removed() {
    let image = with_devel();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let place = top.join("systems/devel/run");
    shell("btrfs", &["subvolume", "set-default", place.to_str().unwrap()]);
    manage_at(top, &["remove", "devel"])
        .refused(&["/systems/devel/run is the default subvolume", "btrfs subvolume set-default 5"]);
    is_whole(top, "devel");
    shell("btrfs", &["subvolume", "set-default", "5", top.to_str().unwrap()]);
    manage_at(top, &["remove", "devel"]).ok();
}

#[test]
fn a_swap_file_in_use_stops_no_merge() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let swap = SwapFile::new(&top.join("systems/factory/run/swap file"));
    fs::write(top.join("systems/factory/run/etc/mine"), "one").unwrap();
    manage_at(top, &["deploy", "/systems/devel/orig"]).ok();
    fs::write(top.join("systems/factory/run/etc/mine"), "two").unwrap();
    let done = manage_at(top, &["set-default", "devel"]);
    assert!(done.stderr.contains("merged again"), "{}", done.stderr);
    done.ok();
    assert_eq!(fs::read(top.join("systems/devel/run/etc/mine")).unwrap(), b"two");
    let mut sync = command("baserock-system-config-sync");
    run(sync.arg("--volume").arg(top).args(["sync", "factory"])).ok();
    let private = fs::read_dir(top.join(".baserock")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(private.filter(|name| name.as_encoded_bytes().starts_with(b"merging")).count(), 0);
    // The tree of a new version is snapshotted as a whole. There the swap file is named, and so is one in a version that is to go.
    fs::create_dir(top.join("systems/third")).unwrap();
    let orig = top.join("systems/third/orig");
    shell(
        "btrfs",
        &[
            "-q",
            "subvolume",
            "snapshot",
            top.join("systems/factory/orig").to_str().unwrap(),
            orig.to_str().unwrap(),
        ],
    );
    let second = SwapFile::new(&orig.join("swapfile"));
    manage_at(top, &["deploy", "/systems/third/orig"]).refused(&["orig/swapfile", "swapoff"]);
    manage_at(top, &["remove", "third"]).refused(&["orig/swapfile", "swapoff"]);
    drop(second);
    manage_at(top, &["remove", "third"]).ok();
    drop(swap);
}

/// A swap file that is in use until this is dropped.
struct SwapFile(PathBuf);

impl SwapFile {
    fn new(path: &Path) -> Self {
        let place = path.to_str().unwrap();
        shell("btrfs", &["filesystem", "mkswapfile", "--size", "20m", place]);
        shell("swapon", &[place]);
        SwapFile(path.to_owned())
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        shell("swapoff", &[self.0.to_str().unwrap()]);
    }
}
