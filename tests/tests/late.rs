//! `/etc` over several versions and moments: what is edited late, in a version that is left, or under a label that is used again.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use baserock_tests::image::Image;
use baserock_tests::programs::{Done, run};
use baserock_tests::running::Running;
use baserock_tests::version::{config_sync, factory_image, manage, put_tree};

/// An image, and its version `factory`.
fn volume() -> Image {
    factory_image(512)
}

fn put(image: &Image, label: &str) {
    put_tree(image, label, |orig| fs::write(orig.join("etc/vendor"), format!("{label}\n")).unwrap());
}

fn deploy(image: &Image, label: &str) -> Done {
    put(image, label);
    manage(image, &["deploy", &format!("/systems/{label}/orig")]).succeeded()
}

fn choose(image: &Image, label: &str) -> Done {
    manage(image, &["set-default", label]).succeeded()
}

/// Works on `/etc` of a version.
fn etc<T>(image: &Image, label: &str, work: impl FnOnce(&Path) -> T) -> T {
    let mounted = image.mount("subvolid=5");
    work(&mounted.path().join("systems").join(label).join("run/etc"))
}

fn edit(image: &Image, label: &str, name: &str, text: &str) {
    etc(image, label, |etc| fs::write(etc.join(name), text).unwrap());
}

fn read(image: &Image, label: &str, name: &str) -> String {
    etc(image, label, |etc| fs::read_to_string(etc.join(name)).unwrap_or_default())
}

fn says(done: &Done, text: &str) {
    assert!(done.stderr.contains(text), "{text:?} is not in: {}", done.stderr);
}

fn is_silent_about(done: &Done, text: &str) {
    assert!(!done.stderr.contains(text), "{text:?} is in: {}", done.stderr);
}

#[test]
fn going_back_changes_nothing_where_a_label_was_used_again() {
    let image = volume();
    deploy(&image, "test");
    choose(&image, "test");
    deploy(&image, "trusted");
    choose(&image, "trusted");
    manage(&image, &["remove", "test"]).ok();
    deploy(&image, "test");
    choose(&image, "test");
    edit(&image, "test", "passwd-policy", "broken\n");
    says(&choose(&image, "trusted"), "edits in /etc of test are not in trusted: passwd-policy");
    assert_eq!(read(&image, "trusted", "passwd-policy"), "");
}

#[test]
fn a_record_without_the_versions_uuid_counts_only_for_a_younger_version() {
    let image = volume();
    deploy(&image, "test");
    choose(&image, "test");
    deploy(&image, "trusted");
    choose(&image, "trusted");
    let forget = |label: &str| {
        let mounted = image.mount("subvolid=5");
        let path = mounted.path().join("systems").join(label).join("merge.json");
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let fields = record.as_object_mut().unwrap();
        for name in ["old_run", "older", "user_changes", "result_changes"] {
            fields.remove(name);
        }
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    };
    // Forward, it is merged again as by the program that wrote the record.
    choose(&image, "test");
    forget("trusted");
    edit(&image, "test", "late", "late\n");
    says(&choose(&image, "trusted"), "merged again");
    assert_eq!(read(&image, "trusted", "late"), "late\n");
    // Another version of the label is younger than the one that was merged.
    forget("trusted");
    manage(&image, &["remove", "test"]).ok();
    deploy(&image, "test");
    choose(&image, "test");
    edit(&image, "test", "late", "broken\n");
    says(&choose(&image, "trusted"), "edits in /etc of test are not in trusted: late");
    assert_eq!(read(&image, "trusted", "late"), "late\n");
}

#[test]
fn edits_that_stay_behind_are_named() {
    let image = volume();
    deploy(&image, "b");
    is_silent_about(&choose(&image, "b"), "edits");
    for number in 10..22 {
        edit(&image, "b", &format!("app{number}"), "mine\n");
    }
    etc(&image, "b", |etc| fs::remove_file(etc.join("vendor")).unwrap());
    let back = choose(&image, "factory");
    says(&back, "edits in /etc of b are not in factory: app10, app11,");
    says(&back, "app19 and 2 more");
    let next = deploy(&image, "c");
    says(&next, "edits in /etc of b are not in c: app10,");
    is_silent_about(&next, "etc of factory are");
    is_silent_about(&choose(&image, "c"), "edits");
    says(&manage(&image, &["remove", "b"]).succeeded(), "edits in /etc of b are in no other version: app10,");
}

#[test]
fn what_was_merged_on_is_not_named_when_its_version_goes() {
    let image = volume();
    edit(&image, "factory", "mine", "mine\n");
    deploy(&image, "b");
    choose(&image, "b");
    edit(&image, "b", "more", "more\n");
    is_silent_about(&deploy(&image, "c"), "edits");
    is_silent_about(&choose(&image, "c"), "edits");
    is_silent_about(&manage(&image, &["remove", "b"]).succeeded(), "edits");
    is_silent_about(&manage(&image, &["remove", "factory", "--force"]).succeeded(), "edits");
    assert_eq!((read(&image, "c", "mine"), read(&image, "c", "more")), ("mine\n".into(), "more\n".into()));
}

#[test]
fn files_of_the_machine_that_were_edited_in_the_chosen_version_are_kept_and_named() {
    let image = volume();
    deploy(&image, "b");
    choose(&image, "b");
    edit(&image, "b", "hostname", "web2\n");
    etc(&image, "b", |etc| symlink("/usr/share/zoneinfo/Europe/Berlin", etc.join("localtime")).unwrap());
    says(&choose(&image, "factory"), "edits in /etc of b are not in factory: hostname, localtime");
    edit(&image, "factory", "app", "mine\n");
    edit(&image, "factory", "localtime", "UTC\n");
    let again = choose(&image, "b");
    says(&again, "edits in /etc of b are dropped: hostname, localtime (its /etc of before is kept in ");
    let mounted = image.mount("subvolid=5");
    let kept = mounted.path().join("systems/b/etc.before-merge");
    assert_eq!(fs::read_to_string(kept.join("hostname")).unwrap(), "web2\n");
    assert!(kept.join("localtime").is_symlink());
}

#[test]
fn a_host_name_that_was_given_to_the_version_stays() {
    let image = volume();
    put_tree(&image, "b", |orig| {
        fs::write(orig.join("etc/hostname"), "given\n").unwrap();
        fs::create_dir_all(orig.join("baserock")).unwrap();
        let meta = r#"{"configuration": {"HOSTNAME": "given"}}"#;
        fs::write(orig.join("baserock/deployment.meta"), meta).unwrap();
    });
    edit(&image, "factory", "hostname", "machine\n");
    manage(&image, &["deploy", "/systems/b/orig"]).ok();
    assert_eq!(read(&image, "b", "hostname"), "given\n");
    edit(&image, "factory", "app", "mine\n");
    says(&choose(&image, "b"), "merged again");
    assert_eq!(
        (read(&image, "b", "hostname"), read(&image, "b", "app")),
        ("given\n".into(), "mine\n".into())
    );
}

#[test]
fn a_second_merge_chooses_as_the_first_did() {
    let image = volume();
    etc(&image, "factory", |etc| fs::create_dir(etc.join("app")).unwrap());
    edit(&image, "factory", "app/conf", "mine\n");
    put_tree(&image, "b", |orig| fs::write(orig.join("etc/app"), "a file now\n").unwrap());
    manage(&image, &["deploy", "/systems/b/orig"])
        .refused(&["etc/app is a directory", "--take app=user|new"]);
    manage(&image, &["deploy", "/systems/b/orig", "--take", "app=user"]).ok();
    assert_eq!(read(&image, "b", "app/conf"), "mine\n");
    edit(&image, "factory", "app/conf", "mine, later\n");
    says(&choose(&image, "b"), "merged again");
    assert_eq!(read(&image, "b", "app/conf"), "mine, later\n");
    // Another choice overrules it.
    config_sync(&image, &["merge", "factory", "b", "--take", "app=new"]).ok();
    assert_eq!(read(&image, "b", "app"), "a file now\n");
    // What was chosen is gone, and the choice with it.
    etc(&image, "factory", |etc| fs::remove_dir_all(etc.join("app")).unwrap());
    config_sync(&image, &["merge", "factory", "b"]).ok();
}

#[test]
fn a_dry_run_refuses_what_the_merge_refuses_and_again_names_what_it_drops() {
    let image = volume();
    deploy(&image, "b");
    edit(&image, "b", "mine", "mine\n");
    let merge = |options: &[&str]| config_sync(&image, &[&["merge", "factory", "b"], options].concat());
    for options in [&[][..], &["--dry-run"]] {
        merge(options).refused(&["somebody has edited etc of b", "use --again", "drops the edits"]);
    }
    merge(&["--dry-run", "--again"]).ok();
    assert_eq!(read(&image, "b", "mine"), "mine\n");
    says(
        &merge(&["--again"]).succeeded(),
        "edits in /etc of b are dropped: mine (its /etc of before is kept in ",
    );
    assert_eq!(read(&image, "b", "mine"), "");
}

#[test]
fn a_line_that_was_removed_from_fstab_stays_removed() {
    let image = volume();
    let fstab = read(&image, "factory", "fstab");
    assert!(fstab.contains(" /srv btrfs "), "{fstab}");
    let lines = |without: &str| -> String {
        fstab.lines().filter(|line| !line.contains(without)).flat_map(|line| [line, "\n"]).collect()
    };
    edit(&image, "factory", "fstab", &lines(" /srv "));
    deploy(&image, "b");
    assert_eq!(read(&image, "b", "fstab"), lines(" /srv "));
    choose(&image, "b");
    deploy(&image, "c");
    assert_eq!(read(&image, "c", "fstab"), lines(" /srv "));
}

/// A line of the unit that runs when the machine goes down.
fn of_unit(key: &str) -> String {
    let unit = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let unit =
        fs::read_to_string(unit.join("../bins/system-version-manager/baserock-finish.service")).unwrap();
    let value = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key}")).to_owned()
}

/// Runs the command of a line of the unit on the running system, where the programs are in /tmp.
fn run_of_unit(system: &Running, key: &str) -> Done {
    let command = of_unit(key);
    let mut words = command.split(' ').map(|word| word.strip_prefix("/usr/bin/").unwrap_or(word));
    let program = words.next().unwrap();
    run(system.command(&format!("/tmp/{program}")).args(words))
}

#[test]
fn what_is_edited_after_set_default_is_said_and_merged_when_the_machine_goes_down() {
    let image = volume();
    put(&image, "b");
    let system = Running::start(&image, "factory");
    let finish = || run_of_unit(&system, "ExecStop");
    // Nothing is chosen yet, and then nothing has changed.
    assert_eq!(finish().succeeded().stderr, "");
    assert_eq!(run_of_unit(&system, "ExecCondition").ok(), "factory\n");
    system.manage(&["deploy", "/systems/b/orig"]).ok();
    system.manage(&["set-default", "b"]).ok();
    assert_eq!(finish().succeeded().stderr, "");

    fs::write(system.path("etc/late"), "late\n").unwrap();
    let list = system.manage(&["list"]).succeeded();
    says(&list, "/etc of factory has changed since it was merged into b, the default: late");
    assert_eq!(list.stdout, "b (default)\nfactory (running)\n");
    let json = system.manage(&["list", "--json"]).ok();
    assert!(
        json.contains("\"changed_since\": \"factory\"") && json.contains("\"changed_since\": null"),
        "{json}"
    );

    says(&finish().succeeded(), "merged again");
    assert_eq!(finish().succeeded().stderr, "");
    assert_eq!(system.manage(&["list"]).succeeded().stderr, "");
    let top = system.top_level();
    let late = top.path().join("systems/b/run/etc/late");
    assert_eq!(fs::read_to_string(&late).unwrap(), "late\n");

    // Somebody has edited the next version, too.
    fs::write(&late, "resolved\n").unwrap();
    fs::write(system.path("etc/later"), "later\n").unwrap();
    finish().refused(&["/etc of factory and of b have both changed", "changed in factory: later", "--again"]);
    assert_eq!(fs::read_to_string(&late).unwrap(), "resolved\n");

    // After a rollback the next version was not merged from this one.
    system.manage(&["set-default", "factory"]).ok();
    assert_eq!(finish().succeeded().stderr, "");
}

/// Nothing is done for a version that runs by itself, or that was left for another one that was not merged from it.
#[test]
fn nothing_is_merged_into_a_version_that_is_gone_back_to() {
    let image = volume();
    deploy(&image, "b");
    choose(&image, "b");
    let system = Running::start(&image, "b");
    system.manage(&["set-default", "factory"]).ok();
    fs::write(system.path("etc/late"), "late\n").unwrap();
    let done = run_of_unit(&system, "ExecStop").succeeded();
    says(&done, "edits in /etc of b are not in factory: late");
    assert!(!system.top_level().path().join("systems/factory/run/etc/late").exists());
}
