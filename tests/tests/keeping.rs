//! Order among versions: pins, notes, and old versions that are removed.
//!
//! Pace: seconds

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use baserock_tests::image::Image;
use baserock_tests::programs::{command, run};
use baserock_tests::running::Running;
use baserock_tests::version::{factory_image, manage, put_tree};

/// A volume with factory, the default, and these versions, deployed one after the other.
fn volume(labels: &[&str]) -> Image {
    let image = factory_image(512);
    for label in labels {
        put_tree(&image, label, |_| ());
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
    }
    image
}

fn list(image: &Image) -> String {
    manage(image, &["list"]).ok()
}

#[test]
fn a_pinned_version_is_not_removed() {
    let image = volume(&["devel"]);
    manage(&image, &["pin", "none"]).refused(&["version none does not exist"]);
    manage(&image, &["pin", "devel"]).ok();
    manage(&image, &["pin", "devel"]).ok();
    for arguments in [&["remove", "devel"][..], &["remove", "--force", "devel"]] {
        manage(&image, arguments).refused(&["version devel is pinned", "system-version-manager unpin devel"]);
    }
    assert_eq!(list(&image), "devel\nfactory (default)\n");
    manage(&image, &["unpin", "devel"]).ok();
    manage(&image, &["remove", "devel"]).ok();
    assert_eq!(list(&image), "factory (default)\n");
}

#[test]
fn a_note_is_one_line_beside_the_version_and_leaves_the_pin() {
    let image = volume(&["devel"]);
    let record = || {
        let mounted = image.mount("subvolid=5");
        fs::read_to_string(mounted.path().join("systems/devel/remarks.json")).unwrap()
    };
    manage(&image, &["pin", "devel"]).ok();
    manage(&image, &["note", "devel", "before the move"]).ok();
    let written = "{
  \"format\": 1,
  \"pinned\": true,
  \"note\": \"before the move\",
  \"revision\": \"\"
}
";
    assert_eq!(record(), written);
    manage(&image, &["note", "devel", "two\nlines"]).refused(&["more than one line"]);
    manage(&image, &["note", "devel", ""]).ok();
    assert!(record().contains("\"note\": \"\"") && record().contains("\"pinned\": true"), "{}", record());

    let damage = |text: &str| {
        let mounted = image.mount("subvolid=5");
        fs::write(mounted.path().join("systems/devel/remarks.json"), text).unwrap();
    };
    damage("{\"format\": 2}");
    for arguments in [&["note", "devel", "x"][..], &["unpin", "devel"], &["remove", "devel"]] {
        manage(&image, arguments).refused(&[
            "/systems/devel/remarks.json",
            "newer program",
            "mend or remove it",
        ]);
    }
    assert_eq!(list(&image), "devel\nfactory (default)\n");
}

#[test]
fn a_deployment_writes_its_note() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| ());
    let deploy = |note: &str| {
        let mut deploy = command("system-version-manager");
        deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/devel/orig"]);
        run(deploy.env("VERSION_NOTE", note))
    };
    deploy("two\nlines").refused(&["VERSION_NOTE", "more than one line"]);
    deploy("ticket 12").ok();
    let mounted = image.mount("subvolid=5");
    let record = fs::read_to_string(mounted.path().join("systems/devel/remarks.json")).unwrap();
    assert!(record.contains("\"note\": \"ticket 12\""), "{record}");
}

#[test]
fn old_versions_are_removed_except_those_that_must_stay() {
    // Their order is that of their deployment, not of the alphabet.
    let image = volume(&["d", "a", "c", "b"]);
    for wrong in [&["prune"][..], &["prune", "--keep", "x"], &["prune", "--older-than", "soon"]] {
        assert_eq!(manage(&image, wrong).code, 2, "{wrong:?}");
    }
    manage(&image, &["pin", "a"]).ok();
    let before = list(&image);
    let look = manage(&image, &["prune", "--keep", "1", "--dry-run"]).succeeded();
    assert_eq!(look.stdout, "d\nc\n");
    assert_eq!(
        look.stderr,
        "version a is pinned, so it stays\nversion factory is the default, so it stays\n"
    );
    assert_eq!(list(&image), before, "a dry run removes nothing");
    // Nothing is as old as that.
    assert_eq!(manage(&image, &["prune", "--keep", "1", "--older-than", "1h"]).succeeded().stdout, "");
    assert_eq!(list(&image), before);

    let done = manage(&image, &["prune", "--keep", "1"]).succeeded();
    assert_eq!(done.stdout, "d\nc\n");
    assert!(done.stderr.contains("version a is pinned, so it stays"), "{}", done.stderr);
    assert_eq!(list(&image), "a\nb\nfactory (default)\n");
    assert_eq!(manage(&image, &["prune", "--keep", "1"]).succeeded().stdout, "");

    sleep(Duration::from_millis(1100));
    assert_eq!(manage(&image, &["prune", "--older-than", "1s"]).succeeded().stdout, "b\n");
    assert_eq!(list(&image), "a\nfactory (default)\n");
}

#[test]
fn the_last_version_that_came_up_stays() {
    let image = volume(&["one", "two", "three"]);
    for label in ["one", "two"] {
        let system = Running::start(&image, label);
        assert_eq!(system.manage(&["confirm", "--at-boot"]).succeeded().stderr, "");
        assert_eq!(system.manage(&["confirm", "--at-boot"]).succeeded().stderr, "");
        drop(system);
        image.wait_until_detached();
    }
    let record = {
        let mounted = image.mount("subvolid=5");
        fs::read_to_string(mounted.path().join("systems/two/came-up.json")).unwrap()
    };
    assert!(record.contains("\"took\": "), "{record}");
    let look = manage(&image, &["prune", "--keep", "0", "--dry-run"]).succeeded();
    assert_eq!(look.stdout, "one\nthree\n");
    assert!(look.stderr.contains("version two is the last one that is known to be good"), "{}", look.stderr);
    // Where that one runs, or is the default, the one before it is kept.
    manage(&image, &["set-default", "two"]).ok();
    assert_eq!(manage(&image, &["prune", "--keep", "0"]).succeeded().stdout, "three\n");
    assert_eq!(list(&image), "factory\none\ntwo (default)\n");
}

#[test]
fn a_deployment_removes_old_versions_first() {
    let image = volume(&["one", "two"]);
    put_tree(&image, "three", |_| ());
    let deploy = |keep: &str, label: &str| {
        let mut deploy = command("system-version-manager");
        deploy.arg("--volume").arg(image.path()).args(["deploy", &format!("/systems/{label}/orig")]);
        run(deploy.env("KEEP_VERSIONS", keep))
    };
    deploy("few", "three").refused(&["KEEP_VERSIONS is \"few\"; use a number of versions"]);
    deploy("0", "none").refused(&["/systems/none/orig does not exist"]);
    assert_eq!(list(&image), "factory (default)\none\ntwo\n", "what is refused removes nothing");
    deploy("1", "three").ok();
    assert_eq!(list(&image), "factory (default)\nthree\ntwo\n");
}
