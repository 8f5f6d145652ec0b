//! Versions get other labels, and are copied.
//!
//! Pace: seconds

use std::fs;

use baserock_tests::image::Image;
use baserock_tests::programs::command;
use baserock_tests::running::Running;
use baserock_tests::version::{config_sync, factory_image, manage, put_tree};
use delta::scan::{ReadAll, scan};
use system::btrfs;
use system::dir::Dir;

/// A volume with factory, the default, and devel, to which /etc of factory was merged.
fn volume() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc/new"), "new\n").unwrap());
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

fn menu(image: &Image) -> String {
    fs::read_to_string(image.mount("subvolid=5").path().join("extlinux/extlinux.conf")).unwrap()
}

/// The subvolume `run` of a version.
fn run_of(image: &Image, label: &str) -> [u8; 16] {
    let mounted = image.mount("subvolid=5");
    btrfs::identity(&Dir::open(mounted.path().join("systems").join(label).join("run")).unwrap()).unwrap().uuid
}

/// Writes something to a path of the volume.
fn write(image: &Image, path: &str, text: &str) {
    fs::write(image.mount("subvolid=5").path().join(path), text).unwrap();
}

#[test]
fn labels_that_cannot_be_given_are_refused() {
    let image = volume();
    for (arguments, words) in [
        (["rename", "none", "x"], &["version none does not exist"][..]),
        (["rename", "devel", "factory"], &["version factory exists", "choose another label"]),
        (["copy", "none", "x"], &["version none does not exist"]),
        (["copy", "devel", "factory"], &["version factory exists", "choose another label"]),
    ] {
        manage(&image, &arguments).refused(words);
    }
    for arguments in [["rename", "devel", "a/b"], ["copy", "devel", "default"]] {
        assert_eq!(manage(&image, &arguments).code, 2);
    }
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
}

#[test]
fn menu_and_records_follow_a_label() {
    let image = volume();
    manage(&image, &["pin", "devel"]).ok();
    let before = run_of(&image, "devel");
    let edited = menu(&image).replace("label devel\n", "label devel\nmenu label The new one\n");
    write(&image, "extlinux/extlinux.conf", &edited);
    let done = manage(&image, &["rename", "devel", "blue"]).succeeded();
    assert!(!done.stderr.contains("no longer has"), "{}", done.stderr);
    assert_eq!(manage(&image, &["list"]).ok(), "blue\nfactory (default)\n");
    assert_eq!(run_of(&image, "blue"), before, "it is the same subvolume");
    let text = menu(&image);
    assert!(!text.contains("devel") && text.contains("menu label The new one"), "{text}");
    assert!(
        text.contains("kernel /systems/blue/kernel") && text.contains("subvol=systems/blue/run"),
        "{text}"
    );
    manage(&image, &["remove", "blue"]).refused(&["version blue is pinned"]);
    assert_eq!(
        manage(&image, &["verify", "blue"]).code,
        1,
        "a tree that was put there by hand has no manifest"
    );
    assert!(manage(&image, &["verify", "factory"]).ok().contains("factory: whole"));

    // The default gets another label, and what was merged from it still knows it.
    manage(&image, &["rename", "factory", "green"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "blue\ngreen (default)\n");
    assert!(menu(&image).contains("ontimeout green\n"), "{}", menu(&image));
    assert!(manage(&image, &["verify", "green"]).ok().contains("green: whole"));
    write(&image, "systems/green/run/etc/late", "late\n");
    let done = manage(&image, &["set-default", "blue"]).succeeded();
    assert!(done.stderr.contains("/etc of green has changed since blue was deployed"), "{}", done.stderr);
    let late = fs::read_to_string(image.mount("subvolid=5").path().join("systems/blue/run/etc/late"));
    assert_eq!(late.unwrap(), "late\n");
}

#[test]
fn the_running_version_gets_another_label() {
    let image = volume();
    let system = Running::start(&image, "factory");
    system.manage(&["rename", "factory", "green"]).ok();
    assert_eq!(system.manage(&["get-running"]).ok(), "green\n");
    assert_eq!(system.manage(&["list"]).ok(), "devel\ngreen (running) (default)\n");
    // What is written to `/` is written to that version.
    fs::write(system.path("etc/late"), "late\n").unwrap();
    let top = system.top_level();
    assert_eq!(fs::read_to_string(top.path().join("systems/green/run/etc/late")).unwrap(), "late\n");
    assert!(!top.path().join("systems/factory").exists());
}

#[test]
fn a_rename_that_was_interrupted_loses_nothing_that_was_written_since() {
    let image = volume();
    let mut rename = command("system-version-manager");
    rename.arg("--volume").arg(image.path()).args(["rename", "factory", "green"]);
    let steps = baserock_tests::steps::list(&mut rename, image.place());
    let exchange = steps.iter().find(|step| step.what.contains("exchange")).expect("an exchange");
    for (is_edited, list) in
        [(false, "devel\ngreen (default)\n"), (true, "devel\nfactory\ngreen (default)\n")]
    {
        let image = volume();
        let mut rename = command("system-version-manager");
        rename.arg("--volume").arg(image.path()).args(["rename", "factory", "green"]);
        baserock_tests::steps::fail(&mut rename, exchange.number, baserock_tests::steps::How::Kill);
        image.wait_until_detached();
        if is_edited {
            // The machine has booted what the menu names.
            write(&image, "systems/green/run/etc/since", "since\n");
        }
        let done = manage(&image, &["set-default", "green"]).succeeded();
        assert_eq!(done.stderr.contains("both stay, as versions of their own"), is_edited, "{}", done.stderr);
        assert_eq!(manage(&image, &["list"]).ok(), list);
        let mounted = image.mount("subvolid=5");
        assert_eq!(mounted.path().join("systems/green/run/etc/since").exists(), is_edited);
        assert!(!mounted.path().join(".baserock/renaming.json").exists());
    }
}

/// All of a tree, but times.
fn tree(image: &Image, path: &str) -> Vec<delta::entry::Entry> {
    let mounted = image.mount("subvolid=5");
    let dir = Dir::open(mounted.path().join(path)).unwrap();
    let mut entries = scan(&dir, &mut ReadAll, &|_| Ok(())).unwrap().entries().to_vec();
    for entry in &mut entries {
        entry.modified = system::metadata::Time::default();
    }
    entries
}

#[test]
fn a_copy_is_the_version_as_it_is_now() {
    let image = volume();
    write(&image, "systems/factory/run/etc/mine", "mine\n");
    write(&image, "systems/factory/run/bin/added", "by hand\n");
    manage(&image, &["note", "factory", "the first"]).ok();
    let system = Running::start(&image, "factory");
    system.manage(&["copy", "factory", "spare"]).ok();
    assert_eq!(system.manage(&["list"]).ok(), "devel\nfactory (running) (default)\nspare\n");
    drop(system);
    image.wait_until_detached();
    for part in ["orig", "run"] {
        let of = |label: &str| tree(&image, &format!("systems/{label}/{part}"));
        assert!(of("spare") == of("factory"), "{part} of the copy is another");
    }
    assert!(manage(&image, &["verify", "spare"]).ok().contains("spare: whole"));
    assert!(menu(&image).contains("label spare\nkernel /systems/spare/kernel\n"), "{}", menu(&image));
    assert!(!image.mount("subvolid=5").path().join("systems/spare/remarks.json").exists());

    // To the merge it was deployed from factory.
    write(&image, "systems/factory/run/etc/late", "late\n");
    manage(&image, &["set-default", "spare"]).ok();
    assert!(tree(&image, "systems/spare/run").iter().any(|entry| entry.path().ends_with("etc/late")));
    assert_eq!(config_sync(&image, &["merge", "factory", "spare", "--dry-run"]).code, 0);
}

#[test]
fn a_copy_says_what_is_not_in_it() {
    let image = volume();
    let mounted = image.mount("subvolid=5");
    let run = Dir::open(mounted.path().join("systems/devel/run")).unwrap();
    btrfs::create(&run, "inner").unwrap();
    drop((run, mounted));
    let done = manage(&image, &["copy", "devel", "spare"]).succeeded();
    assert!(
        done.stderr.contains("/systems/devel/run/inner is a subvolume of its own, and is empty in spare"),
        "{}",
        done.stderr
    );
}
