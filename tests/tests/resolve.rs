//! `resolve`: an open conflict of `/etc` is settled by a side, by hand or in an editor, and opened again.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::running::Running;
use baserock_tests::version::{factory_image, manage, put_tree};

const CLASH: &str = "os-release";
const MINE: &str = "ID=mine\n";
const THEIRS: &str = "ID=busybox\nVERSION_ID=2\n";

/// A volume with devel, in which `os-release` is in conflict: factory has the user's.
fn in_conflict() -> Image {
    let image = factory_image(512);
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/factory/run/etc").join(CLASH), MINE).unwrap();
    drop(mounted);
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc").join(CLASH), THEIRS).unwrap());
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    assert!(manage(&image, &["conflicts", "devel"]).ok().contains("/etc/os-release of devel"));
    image
}

/// Everything of devel but the times of directories and records: modes, owners, contents.
fn whole(image: &Image) -> String {
    let mounted = image.mount("subvolid=5");
    let version = mounted.path().join("systems/devel");
    let look = "cd \"$0\"; find . -path ./orig -prune -o -path './run/*' ! -type d -printf '%p %m %U %T@ %l\\n' -o -printf '%p %m %U\\n' | sort; \
                find . -path ./orig -prune -o -type f -print0 | sort -z | xargs -0 sha256sum";
    shell("sh", &["-ec", look, version.to_str().unwrap()])
}

fn etc(image: &Image, name: &str) -> Option<String> {
    let mounted = image.mount("subvolid=5");
    fs::read_to_string(mounted.path().join("systems/devel/run/etc").join(name)).ok()
}

fn is_resolved_as(image: &Image, content: &str) {
    assert_eq!(etc(image, CLASH).unwrap(), content);
    assert_eq!([etc(image, "os-release.rej"), etc(image, "os-release.orig")], [None, None]);
    assert_eq!(manage(image, &["conflicts", "devel"]).ok(), "");
}

#[test]
fn a_side_is_taken_and_given_back() {
    let image = in_conflict();
    let before = whole(&image);
    for (side, content) in [("user", MINE), ("new", THEIRS)] {
        let said = manage(&image, &["resolve", CLASH, "devel", "--take", side]).succeeded().stderr;
        assert!(said.contains("os-release in /etc of devel is resolved"), "{said}");
        is_resolved_as(&image, content);
        let again = manage(&image, &["resolve", CLASH, "devel", "--take", side]).succeeded();
        assert!(again.stderr.contains("os-release in /etc of devel is resolved already"), "{}", again.stderr);
        let other = if side == "user" { "new" } else { "user" };
        manage(&image, &["resolve", CLASH, "devel", "--take", other])
            .refused(&["no conflict is open at os-release in /etc of devel; open: there is none"]);
        manage(&image, &["resolve", CLASH, "devel", "--undo"]).ok();
        assert_eq!(whole(&image), before, "{side}");
    }
    manage(&image, &["resolve", CLASH, "devel", "--undo"])
        .refused(&["no conflict at os-release in /etc of devel was resolved since its last merge"]);
    manage(&image, &["resolve", "motd", "devel", "--take", "new"]).refused(&["open: os-release"]);
    manage(&image, &["resolve", CLASH, "nobody", "--take", "new"]).refused(&["nobody does not exist"]);
}

/// An edit in factory after the deployment, which comes into devel by a second merge.
fn edit_late(image: &Image) {
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/factory/run/etc/late"), "late\n").unwrap();
}

#[test]
fn the_merge_that_is_done_again_takes_the_same_side() {
    let image = in_conflict();
    manage(&image, &["resolve", CLASH, "devel", "--take", "user"]).ok();
    edit_late(&image);
    let said = manage(&image, &["set-default", "devel"]).succeeded().stderr;
    assert!(said.contains("it is merged again") && !said.contains("conflict"), "{said}");
    is_resolved_as(&image, MINE);
    assert_eq!(etc(&image, "late").unwrap(), "late\n");
}

#[test]
fn what_was_edited_by_hand_stays_and_is_not_merged_over() {
    let image = in_conflict();
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/run/etc").join(CLASH), "ID=both\n").unwrap();
    drop(mounted);
    manage(&image, &["resolve", CLASH, "devel", "--take", "edited"]).ok();
    is_resolved_as(&image, "ID=both\n");
    edit_late(&image);
    let said = manage(&image, &["set-default", "devel"]).succeeded().stderr;
    assert!(said.contains("/etc of factory and of devel have both changed"), "{said}");
    is_resolved_as(&image, "ID=both\n");

    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/run/etc").join(CLASH), "ID=other\n").unwrap();
    drop(mounted);
    manage(&image, &["resolve", CLASH, "devel", "--undo"])
        .refused(&["os-release in /etc of devel was changed after it was resolved"]);
    is_resolved_as(&image, "ID=other\n");
}

#[test]
fn without_the_old_version_its_file_cannot_be_taken() {
    let image = in_conflict();
    manage(&image, &["set-default", "devel"]).ok();
    manage(&image, &["remove", "factory", "--force"]).ok();
    manage(&image, &["resolve", CLASH, "--take", "user"]).refused(&[
        "the whole file of the user at os-release in /etc of devel cannot be taken: factory is gone",
    ]);
    manage(&image, &["resolve", CLASH, "--take", "new"]).ok();
    is_resolved_as(&image, THEIRS);
}

#[test]
fn what_somebody_else_put_beside_it_stays() {
    let image = in_conflict();
    let write = |name: &str, text: &str| {
        fs::write(image.mount("subvolid=5").path().join("systems/devel/run/etc").join(name), text).unwrap();
    };
    write("os-release.orig", "notes\n");
    manage(&image, &["resolve", CLASH, "devel", "--take", "new"]).ok();
    assert_eq!(etc(&image, "os-release.orig").unwrap(), "notes\n");
    write("os-release.rej", "other notes\n");
    let place = "os-release.rej is there again in /etc of devel";
    manage(&image, &["resolve", CLASH, "devel", "--undo"]).refused(&[place, "move it away first"]);
    fs::remove_file(image.mount("subvolid=5").path().join("systems/devel/run/etc/os-release.rej")).unwrap();
    manage(&image, &["resolve", CLASH, "devel", "--undo"]).ok();
    assert_eq!(etc(&image, "os-release.orig").unwrap(), "notes\n");
    assert!(etc(&image, "os-release.rej").unwrap().contains("ID=mine"));
}

#[test]
fn a_conflict_of_an_earlier_merge_has_only_the_change() {
    let image = in_conflict();
    manage(&image, &["set-default", "devel"]).ok();
    put_tree(&image, "third", |orig| fs::write(orig.join("etc").join(CLASH), THEIRS).unwrap());
    manage(&image, &["deploy", "/systems/third/orig"]).ok();
    assert!(manage(&image, &["conflicts", "third"]).ok().contains("/etc/os-release of third"));
    manage(&image, &["resolve", CLASH, "third", "--take", "user"]).refused(&[
        "the whole file of the user at os-release",
        "comes from an earlier merge; edit os-release instead",
    ]);
    manage(&image, &["resolve", CLASH, "third", "--take", "new"]).ok();
    assert_eq!(manage(&image, &["conflicts", "third"]).ok(), "");
}

/// Runs `resolve` on a terminal with this editor, which is a script.
fn edit(image: &Image, variable: &str, script: &str) -> (u8, String) {
    let place = tempfile::tempdir().unwrap();
    let editor = place.path().join("editor");
    fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    shell("chmod", &["755", editor.to_str().unwrap()]);
    let line = format!(
        "{} --volume {} resolve {CLASH} devel",
        Path::new(command("system-version-manager").get_program()).display(),
        image.path().display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]);
    for name in ["MERGE_TOOL", "VISUAL", "EDITOR"] {
        terminal.env_remove(name);
    }
    let done = run(terminal.env(variable, &editor));
    (done.code.try_into().unwrap(), done.stdout)
}

#[test]
fn an_editor_shows_all_sides() {
    let image = in_conflict();
    let before = whole(&image);
    let (code, said) = edit(&image, "EDITOR", "exit 3");
    assert!(code == 1 && said.contains("os-release is as it was"), "{said}");
    assert_eq!(whole(&image), before);
    manage(&image, &["resolve", CLASH, "devel"]).refused(&["nobody is there to edit os-release", "--take"]);

    // The file itself first, then that of the user, then that of the new version.
    let (code, said) = edit(&image, "EDITOR", "cat \"$2\" \"$3\" >>\"$1\"");
    assert_eq!(code, 0, "{said}");
    is_resolved_as(&image, &format!("{THEIRS}{MINE}{THEIRS}"));
    manage(&image, &["resolve", CLASH, "devel", "--undo"]).ok();
    assert_eq!(whole(&image), before);
    // The user's first, then the result, then that of the new version.
    let (code, said) = edit(&image, "MERGE_TOOL", "cat \"$1\" >\"$2\"");
    assert_eq!(code, 0, "{said}");
    is_resolved_as(&image, MINE);
}

#[test]
fn the_running_version_is_resolved_while_it_runs() {
    let image = in_conflict();
    manage(&image, &["set-default", "devel"]).ok();
    let system = Running::start(&image, "devel");
    fs::set_permissions(system.path("etc/os-release"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    system.manage(&["resolve", CLASH, "--take", "user"]).ok();
    assert_eq!(fs::read_to_string(system.path("etc/os-release")).unwrap(), MINE);
    assert!(!system.path("etc/os-release.rej").exists());
    system.manage(&["resolve", CLASH, "--undo"]).ok();
    assert_eq!(fs::read_to_string(system.path("etc/os-release")).unwrap(), THEIRS);
    assert!(system.path("etc/os-release.rej").exists());
}
