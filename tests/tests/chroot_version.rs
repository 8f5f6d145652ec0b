//! Entering installed versions of the system, on a volume that is not running.
//!
//! Pace: seconds

use std::fs;
use std::process::Command;

use baserock_tests::chroot::Place;
use baserock_tests::image::Image;
use baserock_tests::programs::{Done, command, run};
use baserock_tests::soundness::Existing;
use baserock_tests::version::{factory_image, manage, put_tree};

fn enter(image: &Image, label: &str, script: &str) -> Done {
    let mut enter = command("enter-baserock");
    run(enter.args(["--volume"]).arg(image.path()).args(["--system", label, "--", "sh", "-c", script]))
}

#[test]
fn a_version_is_entered_with_its_shared_state() {
    let image = factory_image(512);
    put_tree(&image, "next", |orig| fs::write(orig.join("etc/next"), "next\n").unwrap());
    manage(&image, &["deploy", "/systems/next/orig"]).ok();
    let state = enter(
        &image,
        "factory",
        "busybox cat /var/lib/thing/state; echo factory > /etc/mine; echo all > /var/all",
    )
    .ok();
    assert_eq!(state, "as shipped\n");
    // What one version wrote to the shared state the other sees; its own files are its own.
    assert_eq!(
        enter(&image, "next", "busybox cat /var/all /etc/next; test ! -e /etc/mine").ok(),
        "all\nnext\n"
    );
    let mounted = image.mount("subvolid=5");
    let read = |path: &str| fs::read_to_string(mounted.path().join(path)).unwrap();
    assert_eq!(
        (read("systems/factory/run/etc/mine"), read("state/var/all")),
        ("factory\n".into(), "all\n".into())
    );
    assert!(!mounted.path().join("systems/factory/run/var/all").exists());
}

#[test]
fn nothing_is_made_in_a_version_that_is_entered() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let run = mounted.path().join("systems/factory/run");
        for path in ["sys", "run"] {
            fs::remove_dir(run.join(path)).unwrap();
        }
        for path in ["etc/hosts", "etc/resolv.conf"] {
            let _missing = fs::remove_file(run.join(path));
        }
    }
    let look = || Existing::on(image.mount("subvolid=5").path());
    let before = look();
    assert_eq!(enter(&image, "factory", "busybox echo x > /tmp/x; busybox cat /tmp/x").ok(), "x\n");
    let found = look().differences(&before);
    assert!(found.is_empty(), "{found:?}");
    let bind = |target: &str| {
        let mut enter = command("enter-baserock");
        enter.arg("--volume").arg(image.path()).args([
            "--system",
            "factory",
            "--bind",
            &format!("/etc:{target}"),
        ]);
        run(enter.args(["--", "busybox", "test", "-e", &format!("{target}/passwd")]))
    };
    assert_eq!(bind("/tmp/host").code, 0);
    let refused = bind("/project");
    assert_eq!(refused.code, 125);
    assert!(refused.stderr.contains("there is no /project"), "{}", refused.stderr);
    assert!(look().differences(&before).is_empty());
}

#[test]
fn a_version_can_be_entered_to_look_only() {
    let image = factory_image(512);
    let look = |script: &str| {
        let mut enter = command("enter-baserock");
        enter.arg("--volume").arg(image.path()).args([
            "--system",
            "factory",
            "--read-only",
            "--",
            "sh",
            "-c",
        ]);
        run(enter.arg(script))
    };
    assert_eq!(
        look("busybox cat /var/lib/thing/state; echo x > /tmp/x && busybox cat /tmp/x").ok(),
        "as shipped\nx\n"
    );
    for path in ["/etc/mine", "/var/mine", "/root/mine"] {
        let done = look(&format!("echo x > {path}"));
        assert!(done.code != 0 && done.stderr.contains("Read-only"), "{path}: {}", done.stderr);
    }
}

#[test]
fn set_id_programs_work_and_nothing_stays_attached() {
    let image = factory_image(512);
    let options = enter(&image, "factory", "busybox grep -E ' (/|/var) ' /proc/self/mounts").ok();
    assert_eq!(options.lines().count(), 2, "{options}");
    assert!(!options.contains("nosuid") && !options.contains("nodev"), "{options}");
    assert_eq!(enter(&image, "factory", "exit 9").code, 9);
    assert_eq!(enter(&image, "factory", "kill -9 $$").code, 137);
    let attached = run(Command::new("losetup").arg("-j").arg(image.path())).ok();
    assert_eq!(attached, "");
}

#[test]
fn an_unknown_version_is_refused_with_those_that_are_there() {
    let image = factory_image(512);
    let done = enter(&image, "other", "true");
    assert_eq!(done.code, 125, "{}", done.stderr);
    assert!(done.stderr.contains("version other does not exist; there are: factory"), "{}", done.stderr);
    let done = run(command("enter-baserock").args(["--version", "factory", "--", "true"]));
    assert_eq!(done.code, 125, "{}", done.stderr);
    assert!(done.stderr.contains("not a Baserock system"), "{}", done.stderr);
}

#[test]
fn a_chroot_is_made_from_a_version() {
    let image = factory_image(512);
    put_tree(&image, "next", |orig| {
        fs::create_dir_all(orig.join("var/lib/dpkg")).unwrap();
        fs::write(orig.join("var/lib/dpkg/status"), "as built\n").unwrap();
    });
    manage(&image, &["deploy", "/systems/next/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    let tree = mounted.path().join("systems/next/run");
    fs::write(tree.join("etc/mine"), "mine\n").unwrap();
    fs::write(tree.join("usr/lib/sysimage/dpkg/status"), "as it is now\n").unwrap();
    fs::write(mounted.path().join("state/var/live"), "shared\n").unwrap();
    drop(mounted);

    let place = Place::new();
    let add = |arguments: &[&str]| {
        run(place.manage_command().arg("add").args(arguments).arg("--volume").arg(image.path()))
    };
    assert_eq!(add(&["next", "--from-version"]).ok(), "added next, the default\n");
    assert_eq!(add(&["other", "--from-version", "next"]).ok(), "added other\n");
    let read = |path: &str| fs::read_to_string(place.tree("other").join(path)).unwrap();
    assert_eq!(
        (read("etc/mine"), read("var/lib/thing/state"), read("var/lib/dpkg/status")),
        ("mine\n".into(), "as shipped\n".into(), "as it is now\n".into())
    );
    assert!(!place.tree("other").join("var/live").exists(), "what versions share is not a part of one");
    let record = fs::read_to_string(place.store().join("other/chroot.json")).unwrap();
    assert!(record.contains("version next of ") && record.contains("\"sha256\": null"), "{record}");
    let entered = place.enter(["next", "--", "sh", "-c", "busybox cat /etc/mine"]);
    assert_eq!(entered.ok(), "mine\n");

    let names = place.names();
    add(&["none", "--from-version"]).refused(&["version none does not exist"]);
    add(&["next", "--from-version"]).refused(&["next", "use another label"]);
    assert_eq!(add(&["x", "/a.tar", "--from-version", "next"]).code, 2);
    assert_eq!(add(&["x", "--from-version", "next", "--sha256", &"0".repeat(64)]).code, 2);
    assert_eq!(place.names(), names, "nothing is left");
}

#[test]
fn a_chroot_becomes_a_version() {
    let image = factory_image(512);
    put_tree(&image, "next", |orig| {
        fs::create_dir_all(orig.join("var/lib/dpkg")).unwrap();
        fs::write(orig.join("var/lib/dpkg/status"), "as built\n").unwrap();
    });
    manage(&image, &["deploy", "/systems/next/orig"]).ok();
    let place = Place::new();
    let mut add = place.manage_command();
    run(add.args(["add", "work", "--from-version", "next", "--volume"]).arg(image.path())).ok();
    let tree = place.tree("work");
    let fstab = fs::read_to_string(tree.join("etc/fstab")).unwrap();
    assert!(!fstab.contains("UUID="), "the chroot mounts nothing of the volume: {fstab}");
    assert!(!tree.join("usr/lib/sysimage/dpkg").exists());
    place.enter(["work", "--", "sh", "-c", "echo 1 > /etc/made; echo 2 > /var/lib/dpkg/status"]).ok();
    // Meanwhile the administrator goes on in the default.
    let edit = |label: &str, path: &str| {
        let mounted = image.mount("subvolid=5");
        fs::write(mounted.path().join("systems").join(label).join("run").join(path), "3\n").unwrap();
    };
    edit("factory", "etc/mine");

    let import = |arguments: &[&str]| {
        let mut import = command("system-version-manager");
        import.arg("--volume").arg(image.path()).arg("import").args(arguments);
        run(import.env("BASEROCK_CHROOTS", place.store()))
    };
    import(&["third", "work"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\nnext\nthird\n");
    assert_eq!(manage(&image, &["get-default"]).ok(), "factory\n");
    let read = |label: &str, path: &str| {
        let mounted = image.mount("subvolid=5");
        fs::read_to_string(mounted.path().join("systems").join(label).join("run").join(path)).unwrap()
    };
    assert_eq!((read("third", "etc/made"), read("third", "etc/mine")), ("1\n".into(), "3\n".into()));
    assert_eq!(read("third", "usr/lib/sysimage/dpkg/status"), "2\n");
    assert_eq!(read("third", "etc/fstab"), read("next", "etc/fstab"), "as each version of the volume has it");
    manage(&image, &["verify", "third"]).ok();
    manage(&image, &["set-default", "third"]).ok();

    let names = || Existing::on(image.mount("subvolid=5").path());
    let before = names();
    import(&["third", "work"]).refused(&["version third exists"]);
    import(&["other", "none"]).refused(&["chroot none", "manage-baserock list", "./none"]);
    import(&["other", "./none"]).refused(&["./none"]);
    let empty = tempfile::tempdir().unwrap();
    import(&["other", empty.path().to_str().unwrap()]).refused(&["is empty"]);
    fs::write(empty.path().join("x"), "x").unwrap();
    import(&["other", empty.path().to_str().unwrap()]).refused(&["kernel"]);
    let found = names().differences(&before);
    assert!(found.is_empty(), "{found:?}");
    import(&["fourth", tree.to_str().unwrap()]).ok();
    assert_eq!(read("fourth", "etc/made"), "1\n");
}
