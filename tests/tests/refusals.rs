//! Bad input gets one clear line, and nothing is lost or left behind.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;

use baserock_tests::image::Image;
use baserock_tests::programs::{command, path, run, shell};
use baserock_tests::version::{factory_image, manage, put_tree, write};

#[test]
fn labels_and_locations_that_are_none() {
    let image = factory_image(512);
    let long = "x".repeat(101);
    for (label, why) in [
        ("a/b", "form"),
        ("..", "starts with"),
        ("a b", "' '"),
        ("-a", "starts with"),
        (&*long, "101"),
        ("default", "reserved"),
    ] {
        manage(&image, &["deploy", "--", &format!("/systems/{label}/orig")]).refused(&[why]);
    }
    for location in ["/systems/a/run", "/systems/a", "devel", "/"] {
        manage(&image, &["deploy", location]).refused(&[location, "/systems/LABEL/orig"]);
    }
    for command in ["set-default", "remove"] {
        manage(&image, &[command, "nothing"]).refused(&["nothing does not exist", "there are: factory"]);
        let done = manage(&image, &[command, "../x"]);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(done.stderr.contains("invalid label \"../x\""), "{}", done.stderr);
    }
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
}

#[test]
fn what_cannot_be_deployed() {
    let image = factory_image(512);
    manage(&image, &["deploy", "/systems/devel/orig"]).refused(&["/systems/devel/orig does not exist"]);
    manage(&image, &["deploy", "/systems/factory/orig"])
        .refused(&["factory is deployed already", "remove factory"]);
    fs::create_dir_all(image.mount("subvolid=5").path().join("systems/plain/orig")).unwrap();
    manage(&image, &["deploy", "/systems/plain/orig"]).refused(&["no subvolume", "btrfs subvolume create"]);

    put_tree(&image, "kernelless", |orig| fs::remove_file(orig.join("boot/vmlinuz")).unwrap());
    manage(&image, &["deploy", "/systems/kernelless/orig"]).refused(&[
        "no kernel",
        "/boot/zImage",
        "BOOTLOADER_CONFIG_FORMAT=none",
    ]);
    put_tree(&image, "meta", |orig| {
        fs::create_dir(orig.join("baserock")).unwrap();
        fs::write(orig.join("baserock/deployment.meta"), "KERNEL_ARGS=quiet").unwrap();
    });
    manage(&image, &["deploy", "/systems/meta/orig"])
        .refused(&["/systems/meta/orig/baserock/deployment.meta: not the JSON"]);
    put_tree(&image, "args", |_| {});
    for (arguments, why) in [("x".repeat(2500), "at most 2047"), ("a\nb".to_owned(), "newline")] {
        let mut deploy = command("system-version-manager");
        deploy
            .arg("--volume")
            .arg(image.path())
            .args(["deploy", "/systems/args/orig"])
            .env("KERNEL_ARGS", arguments);
        run(&mut deploy).refused(&[why]);
    }
    put_tree(&image, "nested", |orig| {
        shell("btrfs", &["-q", "subvolume", "create", orig.join("inner").to_str().unwrap()]);
        fs::write(orig.join("inner/file"), "x").unwrap();
    });
    manage(&image, &["deploy", "/systems/nested/orig"])
        .refused(&["/systems/nested/orig/inner", "make it a directory"]);
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    let mounted = image.mount("subvolid=5");
    for label in ["kernelless", "meta", "args", "nested"] {
        let names: Vec<_> = fs::read_dir(mounted.path().join("systems").join(label))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["orig"], "{label}");
    }
}

#[test]
fn what_cannot_be_removed() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    manage(&image, &["remove", "factory"]).refused(&["factory is the default", "set-default"]);
    manage(&image, &["set-default", "devel"]).ok();
    manage(&image, &["remove", "factory"]).refused(&["factory", "--force"]);
    let mounted = image.mount("subvol=systems/factory/run");
    let device =
        system::loopdev::holder(&fs::File::open(image.path()).unwrap(), &image.path()).unwrap().unwrap();
    let mut remove = command("system-version-manager");
    remove.arg("--volume").arg(&device).args(["remove", "--force", "factory"]);
    run(&mut remove).refused(&["factory is in use", "process"]);
    drop(mounted);
    manage(&image, &["remove", "--force", "factory"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "devel (default)\n");
}

#[test]
fn volumes_that_are_none() {
    let here = command("system-version-manager").arg("list").output().unwrap();
    let here = String::from_utf8(here.stderr).unwrap();
    assert!(here.contains("not a Baserock system") && here.contains("--volume"), "{here}");
    let blank = Image::blank(16);
    manage(&blank, &["list"]).refused(&[blank.path().to_str().unwrap(), "no btrfs"]);
    let empty = Image::btrfs(256);
    manage(&empty, &["list"]).refused(&["no directory systems"]);
    fs::remove_file(blank.path()).unwrap();
    manage(&blank, &["list"]).refused(&["cannot open", "No such file"]);
}

#[test]
fn not_root() {
    let image = factory_image(512);
    shell("chmod", &["-R", "a+rwX", image.place().to_str().unwrap()]);
    let program = image.place().join("system-version-manager");
    fs::copy(path("system-version-manager"), &program).unwrap();
    let mut list = std::process::Command::new("setpriv");
    list.args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("--volume")
        .arg(image.path())
        .arg("list");
    run(&mut list).refused(&["takes root", "sudo"]);
}

#[test]
fn an_image_that_somebody_else_has() {
    let image = factory_image(512);
    let mounted = image.mount("subvolid=5");
    manage(&image, &["list"]).refused(&["attached already", "/dev/loop"]);
    drop(mounted);
    let holder = fs::File::options().read(true).write(true).open(image.path()).unwrap();
    let lock = system::lock::Lock::take(holder, &image.path(), system::lock::Patience::Refuse).unwrap();
    manage(&image, &["set-default", "factory"])
        .refused(&["in use by", &format!("process {}", std::process::id())]);
    drop(lock);
    let machine = fs::File::options().read(true).write(true).open(image.path()).unwrap();
    system::lock::take_record_lock(&machine, &image.path()).unwrap();
    manage(&image, &["list"]).refused(&["in use by"]);
    drop(machine);
    manage(&image, &["list"]).ok();
}

#[test]
fn a_volume_that_is_read_only() {
    let image = factory_image(512);
    let mounted = image.mount("subvolid=5,ro");
    let mut set = command("system-version-manager");
    run(set.arg("--volume").arg(mounted.path()).args(["set-default", "factory"]))
        .refused(&["Read-only file system"]);
}

#[test]
fn trees_and_sizes_that_do_not_make_an_image() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    let tree = baserock_tests::inputs::busybox().unwrap();
    write(Path::new("/nowhere"), &image, 512).refused(&["ERROR: cannot open root filesystem /nowhere"]);
    write(Path::new("/etc/passwd"), &image, 512).refused(&["/etc/passwd is not a directory"]);
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    write(&empty, &image, 512).refused(&["is empty"]);
    write(&tree, &image, 16).refused(&["DISK_SIZE is 16 MiB", "needs"]);
    write(&tree, &place.path().join("no/such/disk.img"), 512).refused(&["no/such", "No such file"]);
    let without_size = |size: Option<&str>| {
        let mut write = command("rawdisk-write");
        write.args([&tree, &image]).env("BOOTLOADER_INSTALL", "none");
        run(write.envs(size.map(|size| ("DISK_SIZE", size))))
    };
    without_size(None).refused(&["DISK_SIZE is not set"]);
    without_size(Some("4X")).refused(&["DISK_SIZE is \"4X\""]);
    fs::write(&image, "something").unwrap();
    write(&tree, &image, 512).refused(&["exists", "UPGRADE=yes"]);
    assert_eq!(fs::read(&image).unwrap(), b"something");
    fs::remove_file(&image).unwrap();
    let usage = run(command("rawdisk-write").arg("one"));
    assert_eq!((usage.code, usage.stderr.contains("TEMP_ROOT LOCATION")), (2, true));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "only the empty tree is left");
}

#[test]
fn programs_that_are_not_installed_are_named_with_their_package() {
    let place = tempfile::tempdir().unwrap();
    let tree = baserock_tests::inputs::busybox().unwrap();
    for (missing, folder, package) in [
        ("extlinux", "/usr/bin", "apt-get install extlinux"),
        ("mkfs.btrfs", "/usr/sbin", "apt-get install btrfs-progs"),
    ] {
        let image = place.path().join("disk.img");
        let write = path("rawdisk-write");
        let script = format!(
            "mount -t tmpfs none {folder}; exec {} {} {}",
            write.display(),
            tree.display(),
            image.display()
        );
        let mut hidden = std::process::Command::new("unshare");
        run(hidden.args(["--mount", "sh", "-c", &script]).env("DISK_SIZE", "512M"))
            .refused(&[missing, package]);
        assert!(!image.exists());
    }
}
