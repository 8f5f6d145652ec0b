//! Versions that somebody wrote to after they were made.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baserock_tests::image::Image;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::{factory_image, manage, put_tree};
use system::btrfs::{self, Access};

fn verify(image: &Image, arguments: &[&str]) -> Done {
    manage(image, &[&["verify"], arguments].concat())
}

/// Lets `change` work on what should never be written to again, and takes its traces away.
fn tamper(image: &Image, label: &str, change: impl FnOnce(&Path)) {
    let mounted = image.mount("subvolid=5");
    let orig = mounted.dir().dir(format!("systems/{label}/orig")).unwrap();
    btrfs::set_access(&orig, Access::Writable).unwrap();
    change(&mounted.path().join("systems").join(label).join("orig"));
    btrfs::set_access(&orig, Access::ReadOnly).unwrap();
}

/// The lines of a failed verification.
#[track_caller]
fn findings(done: &Done) -> Vec<&str> {
    assert_eq!(done.code, 1, "{done:?}");
    done.stdout.lines().collect()
}

const WRITTEN: &str =
    "factory: /systems/factory/orig was written to, or replaced, after its manifest was made";

#[test]
fn a_version_is_whole_until_a_byte_of_it_changes() {
    let image = factory_image(512);
    let whole = verify(&image, &["factory"]).ok();
    assert!(whole.starts_with("factory: whole (") && whole.ends_with(" MiB)\n"), "{whole}");
    let passwd = |orig: &Path| {
        let path = orig.join("etc/passwd");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("root:x:", "root::x");
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    };
    tamper(&image, "factory", passwd);
    let done = verify(&image, &["factory"]);
    assert_eq!(findings(&done), [WRITTEN, "/systems/factory/orig/etc/passwd: content"]);
    assert!(done.stderr.contains("1 of 1 versions differ from what they were: factory"), "{}", done.stderr);
    verify(&image, &["--record", "factory"]).refused(&["has a manifest, which is never made anew"]);
}

#[test]
fn every_kind_of_difference_has_a_name() {
    let image = factory_image(512);
    tamper(&image, "factory", |orig| {
        let script =
            "chmod 4755 bin/busybox; chown -h 7:8 sbin/init; touch -d 2001-01-01 etc/group; rm etc/shadow
            ln -sfn /bin/false bin/sh; setfattr -n user.mark -v 1 etc/hostname; echo x > 'new
            line'; rm bin/mount; mkfifo bin/mount; ln etc/hostname etc/a; touch -r etc/passwd etc bin .";
        shell("sh", &["-ec", &format!("cd {}; {script}", orig.display())]);
    });
    let done = verify(&image, &["factory"]);
    let mut found = findings(&done);
    found.retain(|line| !line.ends_with(": time"));
    let in_orig = |line: &str| format!("/systems/factory/orig/{line}");
    let expected = [
        "bin/busybox: mode 4755, was 755",
        "bin/mount: a named pipe, was a symbolic link, mode 644, was 777, time",
        "bin/sh: target, time",
        "etc/a: added",
        "etc/hostname: attributes user.mark",
        "etc/shadow: missing",
        "new\\n            line: added",
        "sbin/init: owner 7:8, was 0:0",
    ];
    let expected: Vec<String> = std::iter::once(WRITTEN.to_owned()).chain(expected.map(in_orig)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_tree_that_somebody_put_there_is_recorded_when_asked_for() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    verify(&image, &["--record", "devel"]).refused(&["version devel is not complete"]);
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let done = verify(&image, &[]);
    assert!(done.stdout.contains("factory: whole ("), "every version is looked at: {}", done.stdout);
    assert_eq!(
        findings(&done)[0],
        "devel: it has no manifest; verify --record devel makes one of what is there now"
    );
    assert!(done.stderr.contains("1 of 2 versions have no manifest to compare them with: devel"), "{done:?}");
    assert!(!done.stderr.contains("differ"), "{}", done.stderr);
    let recorded = verify(&image, &["--record", "devel"]).ok();
    assert!(recorded.starts_with("devel: ") && recorded.ends_with(" recorded\n"), "{recorded}");
    assert_eq!(verify(&image, &[]).ok().matches(": whole (").count(), 2);
    verify(&image, &["gone"]).refused(&["version gone does not exist; there are: devel, factory"]);
    assert_eq!(verify(&image, &["--record"]).code, 2);
}

#[test]
fn a_subvolume_in_the_tree_has_no_time_and_can_be_filled_by_the_next_version() {
    let image = factory_image(512);
    let stub = "var/lib/machines";
    put_tree(&image, "devel", |orig| {
        shell("btrfs", &["-q", "subvolume", "create", orig.join(stub).to_str().unwrap()]);
    });
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    verify(&image, &["--record", "devel"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(verify(&image, &[]).ok().matches(": whole (").count(), 2);
    manage(&image, &["set-default", "devel"]).ok();
    let tree = image.place().join("tree");
    shell(
        "cp",
        &["-a", baserock_tests::inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()],
    );
    for label in ["third", "fourth"] {
        fs::create_dir_all(tree.join(stub).join(label)).unwrap();
        fs::write(tree.join(stub).join(label).join("file"), label).unwrap();
        let mut upgrade = command("rawdisk-write");
        upgrade.arg(&tree).arg(image.path()).envs([("UPGRADE", "yes"), ("VERSION_LABEL", label)]);
        run(&mut upgrade).ok();
        baserock_tests::version::assert_identical(image.mount("subvolid=5").path(), label, &tree);
    }
    assert_eq!(verify(&image, &[]).ok().matches(": whole (").count(), 4);
}

#[test]
fn an_orig_that_was_exchanged_for_a_copy_is_told() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let version = mounted.dir().dir("systems/factory").unwrap();
        btrfs::snapshot(&version.dir("orig").unwrap(), &version, "copy", Access::ReadOnly).unwrap();
        btrfs::delete(&version, "orig").unwrap();
        fs::rename(version.proc_path().join("copy"), version.proc_path().join("orig")).unwrap();
    }
    assert_eq!(findings(&verify(&image, &["factory"])), [WRITTEN]);
}

#[test]
fn what_stands_beside_the_tree_is_looked_at_too() {
    let image = factory_image(512);
    let change = |what: &dyn Fn(&Path)| what(image.mount("subvolid=5").path());
    change(&|top| fs::write(top.join("systems/factory/kernel"), "another\n").unwrap());
    assert_eq!(findings(&verify(&image, &[])), ["/systems/factory/kernel: content, no file of orig has it"]);
    change(&|top| {
        fs::copy(top.join("systems/factory/orig/boot/vmlinuz"), top.join("systems/factory/kernel")).unwrap();
        fs::write(top.join("extlinux/extlinux.conf"), "ontimeout x\nlabel x\nkernel /x\n").unwrap();
    });
    let done = verify(&image, &[]);
    assert!(findings(&done)[0].starts_with("factory: the boot menu has no entry for it"), "{}", done.stdout);
    change(&|top| {
        btrfs::set_access(
            &system::dir::Dir::open(top.join("systems/factory/orig")).unwrap(),
            Access::Writable,
        )
        .unwrap();
        fs::write(top.join("systems/factory/manifest"), "BRBOUND and no more").unwrap();
    });
    let done = verify(&image, &["factory"]);
    assert!(done.stdout.contains("factory: orig is writable"), "{}", done.stdout);
    assert!(done.stdout.contains("/systems/factory/manifest: "), "{}", done.stdout);
}

#[test]
fn a_newer_record_of_one_version_is_named_and_leaves_the_others_usable() {
    let image = factory_image(512);
    for label in ["devel", "third"] {
        put_tree(&image, label, |_| {});
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
    }
    let newer = "written by a newer program (format 2, this one reads 1)";
    for record in ["boot.json", ".merging.json"] {
        let before = replace(&image, record, Some(r#"{"format": 2, "else": true}"#));
        let listed = manage(&image, &["list"]);
        assert_eq!(listed.stderr, format!("devel is not complete: {record} is {newer}\n"));
        assert_eq!(listed.ok(), "factory (default)\nthird\n");
        manage(&image, &["set-default", "third"]).ok();
        manage(&image, &["set-default", "factory"]).ok();
        replace(&image, record, before.as_deref());
    }
    replace(&image, "merge.json", Some(r#"{"format": 2}"#));
    let line = format!("/systems/devel/merge.json: {newer}; move it away to merge without it");
    manage(&image, &["set-default", "devel"]).refused(&[&line]);
    manage(&image, &["set-default", "third"]).ok();
}

/// Puts a record of the version devel in the place of the one that is there, and returns that; `None` is no record.
fn replace(image: &Image, record: &str, text: Option<&str>) -> Option<String> {
    let mounted = image.mount("subvolid=5");
    let path = mounted.path().join("systems/devel").join(record);
    let before = fs::read_to_string(&path).ok();
    match text {
        Some(text) => fs::write(path, text).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
    before
}

#[test]
fn a_version_whose_tree_is_a_link_is_damaged_and_leaves_the_others_usable() {
    let image = factory_image(512);
    for label in ["run", "orig"] {
        put_tree(&image, label, |_| {});
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
        let mounted = image.mount("subvolid=5");
        let version = mounted.dir().dir(Path::new("systems").join(label)).unwrap();
        btrfs::delete(&version, label).unwrap();
        version.symlink("../factory/orig", label).unwrap();
    }
    let done = manage(&image, &["list"]);
    for label in ["run", "orig"] {
        let said = format!("its {label} is damaged: it is no directory");
        assert!(done.stderr.contains(&said), "{}", done.stderr);
        manage(&image, &["set-default", label]).refused(&["is not complete; there are: factory"]);
    }
    assert_eq!(done.ok(), "factory (default)\n");
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    manage(&image, &["set-default", "devel"]).ok();
    for label in ["run", "orig"] {
        manage(&image, &["remove", label]).ok();
    }
    assert_eq!(manage(&image, &["list"]).ok(), "devel (default)\nfactory\n");
    assert!(image.mount("subvolid=5").path().join("systems/factory/orig/etc/passwd").exists());
}

#[test]
fn a_damaged_record_of_one_version_leaves_the_others_usable() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    put_tree(&image, "third", |_| {});
    manage(&image, &["deploy", "/systems/third/orig"]).ok();
    let record = "systems/devel/boot.json";
    let path = |top: &Path| top.join(record);
    fs::write(path(image.mount("subvolid=5").path()), "{\"root\": ").unwrap();
    let listed = manage(&image, &["list"]);
    assert!(listed.stderr.contains("devel is not complete: boot.json is not a record"), "{}", listed.stderr);
    assert_eq!(listed.ok(), "factory (default)\nthird\n");
    manage(&image, &["set-default", "third"]).ok();
    let done = verify(&image, &["devel"]);
    assert!(findings(&done)[0].starts_with("devel: boot.json is not a record"), "{}", done.stdout);
    assert_eq!(
        fs::metadata(path(image.mount("subvolid=5").path())).unwrap().permissions().mode() & 0o777,
        0o644
    );
}
