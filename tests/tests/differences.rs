//! What differs between versions, and what was changed in one.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use baserock_tests::image::Image;
use baserock_tests::running::Running;
use baserock_tests::version::{factory_image, manage, put_tree};

const STATUS: &str = "Package: kernel\nStatus: install ok installed\nVersion: 6.1.176\n\nPackage: gone\nStatus: install ok installed\nVersion: 1\n";

/// A volume with factory, the default, and one and two, which have a package database and differ in names of every kind.
fn volume() -> Image {
    let image = factory_image(512);
    put_tree(&image, "one", |orig| {
        fs::create_dir_all(orig.join("var/lib/dpkg")).unwrap();
        fs::write(orig.join("var/lib/dpkg/status"), STATUS).unwrap();
        fs::create_dir_all(orig.join("usr/old/inner")).unwrap();
        fs::write(orig.join("usr/same"), "the same\n").unwrap();
        fs::write(orig.join("usr/other"), "one\n").unwrap();
        symlink("x", orig.join("usr/link")).unwrap();
        fs::write(orig.join("etc/app.conf"), "a\nb\n").unwrap();
    });
    put_tree(&image, "two", |orig| {
        fs::create_dir_all(orig.join("var/lib/dpkg")).unwrap();
        let status = STATUS.replace("6.1.176", "6.1.192").replace("gone", "new");
        fs::write(orig.join("var/lib/dpkg/status"), status).unwrap();
        // The same content at another time is the same.
        fs::create_dir_all(orig.join("usr")).unwrap();
        fs::write(orig.join("usr/same"), "the same\n").unwrap();
        fs::write(orig.join("usr/other"), "two\n").unwrap();
        symlink("y", orig.join("usr/link")).unwrap();
        fs::write(orig.join("etc/app.conf"), "a\nc\n").unwrap();
    });
    for label in ["one", "two"] {
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
    }
    image
}

const NAMES: &str = "packages of dpkg:\n- gone 1\n  kernel 6.1.176 → 6.1.192\n+ new 1\n\
                     M /usr/link\nD /usr/old\nM /usr/other\nM /var/lib/dpkg/status\n";
const ETC: &str = "diff --git a/etc/app.conf b/etc/app.conf\n--- a/etc/app.conf\n+++ b/etc/app.conf\n\
                   @@ -1,2 +1,2 @@\n a\n-b\n+c\n";

#[test]
fn packages_names_and_etc_of_two_versions() {
    let image = volume();
    assert_eq!(manage(&image, &["diff", "one", "two"]).ok(), format!("{NAMES}{ETC}"));
    assert_eq!(
        manage(&image, &["diff", "one", "two", "--stat"]).ok(),
        "packages of dpkg: 1 added, 1 removed, 1 changed\nnames: 0 added, 2 removed, 3 changed\n\
         /etc/app.conf | +1 -1\n/etc: 1 paths\n"
    );
    assert_eq!(manage(&image, &["diff", "two", "two"]).ok(), "");
    // With manifests the answer is the same.
    for label in ["one", "two"] {
        manage(&image, &["verify", "--record", label]).ok();
    }
    let done = manage(&image, &["diff", "one", "two"]).succeeded();
    assert_eq!((done.stdout, done.stderr), (format!("{NAMES}{ETC}"), String::new()));
    let colored = manage(&image, &["diff", "one", "two", "--color", "always"]).ok();
    assert!(colored.contains("\x1b[31m-b\x1b[m\n\x1b[32m+c\x1b[m\n"), "{colored:?}");
    // Without B, it is what runs, or the default.
    assert_eq!(manage(&image, &["diff", "factory"]).ok(), "");
    let done = manage(&image, &["diff", "two"]).ok();
    assert!(done.contains("D /usr") && done.contains("deleted file mode 100644"), "{done}");
    manage(&image, &["diff", "one", "none"]).refused(&["version none does not exist"]);
    assert_eq!(manage(&image, &["diff"]).code, 2);
    assert_eq!(manage(&image, &["diff", "one", "two", "--edits"]).code, 2);
}

#[test]
fn what_people_changed_in_a_version() {
    let image = volume();
    for label in ["factory", "one"] {
        let clean = manage(&image, &["diff", "--edits", label]).ok();
        assert_eq!(clean, "", "what the deployment did to {label} is no edit");
    }
    let system = Running::start(&image, "one");
    fs::write(system.path("etc/app.conf"), "a\nmine\n").unwrap();
    fs::write(system.path("etc/own"), "mine\n").unwrap();
    fs::set_permissions(system.path("etc/hostname"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(system.path("usr/added"), "mine\n").unwrap();
    fs::remove_file(system.path("usr/other")).unwrap();
    let status = system.path("usr/lib/sysimage/dpkg/status");
    fs::write(status, format!("{STATUS}\nPackage: tool\nStatus: install ok installed\nVersion: 3\n"))
        .unwrap();
    // What is not committed yet is not found outside /etc.
    system::btrfs::commit(&system.top_level().dir()).unwrap();
    let edits = system.manage(&["diff", "--edits"]).ok();
    for part in [
        "packages of dpkg:\n+ tool 3\n",
        "A /usr/added\nD /usr/other\n",
        "--- a/etc/app.conf\n+++ b/etc/app.conf\n@@ -1,2 +1,2 @@\n a\n-b\n+mine\n",
        "diff --git a/etc/hostname b/etc/hostname\nold mode 100644\nnew mode 100600\n",
        "diff --git a/etc/own b/etc/own\nnew file mode 100644\n--- /dev/null\n+++ b/etc/own\n@@ -0,0 +1 @@\n+mine\n",
    ] {
        assert!(edits.contains(part), "{part} is not in {edits}");
    }
    let stat = system.manage(&["diff", "--edits", "one", "--stat"]).ok();
    assert!(
        stat.contains("names: 1 added, 1 removed, 0 changed\n") && stat.ends_with("/etc: 3 paths\n"),
        "{stat}"
    );
}

#[test]
fn conflicts_are_shown_with_both_sides_until_they_are_resolved() {
    let image = volume();
    let conflicts = |label: &str| manage(&image, &["conflicts", label]).ok();
    assert_eq!(conflicts("one"), "");
    manage(&image, &["conflicts", "none"]).refused(&["version none does not exist"]);
    manage(&image, &["set-default", "one"]).ok();
    fs::write(image.mount("subvolid=5").path().join("systems/one/run/etc/app.conf"), "a\nmine\n").unwrap();
    put_tree(&image, "three", |orig| fs::write(orig.join("etc/app.conf"), "a\ntheirs\n").unwrap());
    manage(&image, &["deploy", "/systems/three/orig"]).ok();
    assert_eq!(
        conflicts("three"),
        "/etc/app.conf of three\nyour change, in /etc/app.conf.rej:\n--- app.conf\n+++ app.conf\n@@ -1,2 +1,2 @@\n a\n-b\n+mine\n\
         the change of the new version:\n@@ -1,2 +1,2 @@\n a\n-b\n+theirs\n"
    );
    manage(&image, &["set-default", "three"]).ok();
    assert!(
        manage(&image, &["conflicts"]).ok().starts_with("/etc/app.conf of three\n"),
        "it is the default now"
    );
    // Without the old version, its change is all that is known.
    manage(&image, &["remove", "one"]).ok();
    assert!(conflicts("three").ends_with("it cannot be shown by lines, or the old version is gone\n"));
    fs::remove_file(image.mount("subvolid=5").path().join("systems/three/run/etc/app.conf.rej")).unwrap();
    assert_eq!(conflicts("three"), "");
}
