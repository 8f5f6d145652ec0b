//! Dry runs tell what would be done, refuse what the work would refuse, and change nothing.
//!
//! Pace: seconds

use std::fs;
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::next::Next;
use baserock_tests::programs::{Done, command, run};
use baserock_tests::soundness::Existing;
use baserock_tests::ssh::Target;
use baserock_tests::version::{config_sync, factory_image, manage, put_tree};

/// The command's dry run. The disk has the same bytes before and after it.
#[track_caller]
fn look(image: &Image, arguments: &[&str]) -> Done {
    let before = image.bytes();
    let steps = image.place().join("steps");
    let mut command = command("system-version-manager");
    command.arg("--volume").arg(image.path()).args(arguments).arg("--dry-run").env("BASEROCK_STEPS", &steps);
    let done = run(&mut command);
    let steps = fs::read_to_string(&steps).unwrap_or_default();
    let is_opening = |step: &str| step.contains(" attach ") || step.contains(" mount /dev/loop");
    assert!(steps.lines().all(is_opening), "{arguments:?} has changed something: {steps}");
    assert!(image.bytes() == before, "{arguments:?} has changed the disk");
    done
}

/// The lines of standard error that are findings.
fn findings(done: &Done) -> Vec<String> {
    let is_finding = |line: &&str| line.starts_with("warning: ") || line.starts_with("note: ");
    done.stderr.lines().filter(is_finding).map(str::to_owned).collect()
}

/// A volume with factory, the default, which somebody has edited, and the tree of devel.
fn edited() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        fs::write(orig.join("etc/os-release"), "the vendor's\n").unwrap();
        fs::write(orig.join("etc/new.conf"), "new\n").unwrap();
        fs::create_dir_all(orig.join("var/lib/thing-2")).unwrap();
        fs::write(orig.join("var/lib/thing-2/state"), "2\n").unwrap();
        fs::create_dir_all(orig.join("var/lib/dpkg")).unwrap();
        fs::write(orig.join("var/lib/dpkg/status"), "").unwrap();
    });
    let mounted = image.mount("subvolid=5");
    let run = mounted.path().join("systems/factory/run");
    for (path, text) in [("etc/os-release", "ID=mine\n"), ("etc/own.conf", "mine\n"), ("bin/mine", "mine\n")]
    {
        fs::write(run.join(path), text).unwrap();
    }
    drop(mounted);
    image
}

#[test]
fn a_deployment_does_what_its_dry_run_has_said() {
    let image = edited();
    let said = look(&image, &["deploy", "/systems/devel/orig"]).succeeded();
    assert!(said.stdout.contains("conflict os-release (your change is in os-release.rej"), "{}", said.stdout);
    assert!(said.stdout.contains("keep own.conf\n"), "{}", said.stdout);
    for part in ["/bin/mine", "note: the files that devel boots with take ", " MiB are free"] {
        assert!(said.stderr.contains(part), "{part} is not in {}", said.stderr);
    }
    assert!(!said.stderr.contains("is not added"), "{}", said.stderr);
    assert_eq!(look(&image, &["deploy", "/systems/devel/orig"]).ok(), said.stdout, "it says it again");

    let done = manage(&image, &["deploy", "/systems/devel/orig"]).succeeded();
    for finding in findings(&done) {
        let step = finding.strip_prefix("warning: ").unwrap_or(&finding);
        let was_said = said.stderr.contains(&finding) || said.stdout.lines().any(|line| line == step);
        assert!(was_said, "{finding} is not in {} {}", said.stdout, said.stderr);
    }
    let again = config_sync(&image, &["merge", "factory", "devel", "--again", "--dry-run"]).ok();
    assert_eq!(again, said.stdout);
}

#[test]
fn edits_that_nobody_thinks_of_are_named_before() {
    let image = edited();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/run/etc/forgotten"), "mine\n").unwrap();
    drop(mounted);
    put_tree(&image, "next", |_| {});
    let said = look(&image, &["deploy", "/systems/next/orig"]).succeeded();
    let warning = "warning: edits in /etc of devel are not in next: forgotten";
    assert!(said.stderr.contains(warning), "{}", said.stderr);
    let done = manage(&image, &["deploy", "/systems/next/orig"]).succeeded();
    assert!(done.stderr.contains(warning), "{}", done.stderr);
}

#[test]
fn old_versions_that_would_go_are_named() {
    let image = factory_image(512);
    for label in ["one", "two"] {
        put_tree(&image, label, |_| {});
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
    }
    put_tree(&image, "three", |_| {});
    let mut deploy = command("system-version-manager");
    deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/three/orig", "--dry-run"]);
    let said = run(deploy.env("KEEP_VERSIONS", "1")).succeeded();
    assert!(said.stderr.contains("note: one would be removed first"), "{}", said.stderr);
    assert!(!said.stderr.contains("two would"), "{}", said.stderr);
    assert_eq!(manage(&image, &["list", "-q"]).ok(), "factory\none\ntwo\n");
}

#[test]
fn the_choice_of_a_default_merges_what_its_dry_run_has_said() {
    let image = edited();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    assert_eq!(look(&image, &["set-default", "devel"]).ok(), "", "nothing has changed since");
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/factory/run/etc/late"), "mine\n").unwrap();
    drop(mounted);
    let said = look(&image, &["set-default", "devel"]).succeeded();
    assert!(said.stdout.contains("keep late\n"), "{}", said.stdout);
    assert!(said.stderr.contains("/etc of factory has changed since devel was deployed"), "{}", said.stderr);
    assert!(!said.stderr.contains("edits in /etc of factory are not in devel"), "{}", said.stderr);
    let done = manage(&image, &["set-default", "devel"]).succeeded();
    for finding in findings(&done) {
        let step = finding.strip_prefix("warning: ").unwrap_or(&finding);
        assert!(said.stderr.contains(&finding) || said.stdout.lines().any(|line| line == step), "{finding}");
    }
    assert_eq!(manage(&image, &["get-default"]).ok(), "devel\n");

    // The way back merges nothing, and names what stays behind.
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/run/etc/behind"), "mine\n").unwrap();
    drop(mounted);
    let said = look(&image, &["set-default", "factory"]).succeeded();
    assert!(said.stderr.contains("edits in /etc of devel are not in factory: behind"), "{}", said.stderr);
    let done = manage(&image, &["set-default", "factory"]).succeeded();
    assert_eq!(findings(&done), findings(&said));
}

#[test]
fn a_removal_frees_what_its_dry_run_has_said() {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        let mut large = fs::File::create(orig.join("large")).unwrap();
        let mut random = fs::File::open("/dev/urandom").unwrap();
        std::io::copy(&mut std::io::Read::take(&mut random, 20 << 20), &mut large).unwrap();
    });
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/run/etc/mine"), "mine\n").unwrap();
    drop(mounted);
    let said = look(&image, &["remove", "devel"]).succeeded();
    assert_eq!(said.stdout, "devel\n");
    let free = said.stderr.lines().find(|line| line.ends_with(" of devel would become free")).unwrap();
    let free: u32 = free.trim_start_matches("note: ").split(' ').next().unwrap().parse().unwrap();
    assert!((20..24).contains(&free), "{}", said.stderr);
    assert!(said.stderr.contains("edits in /etc of devel are in no other version: mine"), "{}", said.stderr);
    let done = manage(&image, &["remove", "devel"]).succeeded();
    assert!(done.stderr.contains("edits in /etc of devel are in no other version: mine"), "{}", done.stderr);
}

#[test]
fn a_dry_run_is_refused_as_the_work_is() {
    let image = edited();
    put_tree(&image, "kernelless", |orig| fs::remove_file(orig.join("boot/vmlinuz")).unwrap());
    put_tree(&image, "linked", |orig| {
        fs::remove_dir_all(orig.join("etc")).unwrap();
        std::os::unix::fs::symlink("usr", orig.join("etc")).unwrap();
    });
    manage(&image, &["copy", "factory", "second"]).ok();
    manage(&image, &["pin", "second"]).ok();
    let mounted = image.mount("subvolid=5");
    fs::create_dir_all(mounted.path().join("systems/plain/orig")).unwrap();
    // A path that has no rule: the folder with a file of the user's is a file of the new version's.
    fs::create_dir(mounted.path().join("systems/factory/run/etc/odd")).unwrap();
    fs::write(mounted.path().join("systems/factory/run/etc/odd/file"), "mine\n").unwrap();
    fs::write(mounted.path().join("systems/devel/orig/etc/odd"), "the vendor's\n").unwrap();
    drop(mounted);
    for arguments in [
        &["deploy", "/systems/nowhere/orig"][..],
        &["deploy", "/systems/factory/orig"],
        &["deploy", "/systems/plain/orig"],
        &["deploy", "/systems/kernelless/orig"],
        &["deploy", "/systems/linked/orig"],
        &["deploy", "/systems/devel/orig"],
        &["deploy", "/systems/devel"],
        &["set-default", "nowhere"],
        &["set-default", "devel"],
        &["remove", "nowhere"],
        &["remove", "factory"],
        &["remove", "second"],
    ] {
        let said = look(&image, arguments);
        let line = said.refused(&[]);
        assert_eq!(manage(&image, arguments).refused(&[]), line, "{arguments:?}");
    }
    let taken = look(&image, &["deploy", "/systems/devel/orig", "--take", "odd=user"]).succeeded();
    assert!(taken.stdout.contains("take odd"), "{}", taken.stdout);
}

#[test]
fn a_push_says_what_it_would_send() {
    let (image, tree) = (factory_image(3072), Next::new(300_000));
    let target = Target::start(&image, "factory");
    let edit = |path: &str, text: &str| {
        fs::write(target.system.top_level().path().join("systems/factory/run").join(path), text).unwrap();
    };
    edit("etc/os-release", "ID=mine\n");
    edit("etc/own.conf", "mine\n");
    edit("bin/mine", "mine\n");
    // What btrfs has not committed yet, which it does every half minute, is not found.
    run(Command::new("sync").arg("-f").arg(target.system.top_level().path())).ok();
    // A flag, and an attribute that a filesystem in memory cannot keep.
    let tagged = tree.tree().join("etc/many-1");
    run(Command::new("setfattr").args(["-n", "user.x", "-v", "y"]).arg(&tagged)).ok();
    run(Command::new("chattr").arg("+A").arg(tree.tree().join("etc/many-2"))).ok();
    // This leaves the agent there.
    run(&mut target.check("v2")).ok();
    let existing = || Existing::on(target.system.top_level().path());
    let before = existing();
    let look = |label: &str| run(target.push(&tree.tree(), label).env("DRY_RUN", "yes"));
    let looked = look("v2").succeeded();
    let said = looked.stdout.clone();
    let (_, amount) = said.split_once("v2 can be pushed to root@target: ").unwrap();
    // 60 small files, os-release, the large one that is there twice, a changed one, and the sparse one.
    assert!(amount.contains(" would be compressed and sent, in 64 contents"), "{said}");
    let difference = existing().differences(&before);
    assert!(difference.is_empty(), "{difference:?}");
    assert!(target.incoming().is_empty());
    assert!(said.contains("conflict os-release (your change is in os-release.rej"), "{said}");
    assert!(said.contains("\nkeep own.conf\n") && !said.contains("sending what changed"), "{said}");
    let warning = "somebody added in factory what is not in v2: /bin/bash, /bin/mine";
    assert!(looked.stderr.contains(warning), "{}", looked.stderr);

    let refusing = |dry: &str| {
        run(target.push(&tree.tree(), "v2").env("DRY_RUN", dry).env("CONFLICTS", "refuse"))
            .refused(&["os-release", "CONFLICTS"])
    };
    assert_eq!(refusing("yes"), refusing("no"));
    assert!(target.incoming().is_empty() || target.incoming() == ["v2"], "{:?}", target.incoming());
    let refused = look("factory").refused(&["version factory exists", "VERSION_LABEL"]);
    assert_eq!(run(&mut target.push(&tree.tree(), "factory")).refused(&[]), refused);
    let trial = |dry: &str| {
        let mut push = target.push(&tree.tree(), "v2");
        run(push.env("DRY_RUN", dry).env("AUTOSTART", "yes").env("TRIAL", "yes")).refused(&["just once"])
    };
    assert_eq!(trial("yes"), trial("no"));

    let done = run(&mut target.push(&tree.tree(), "v2")).succeeded();
    for finding in findings(&done) {
        let step = finding.strip_prefix("warning: ").unwrap_or(&finding);
        let was_said = looked.stderr.contains(&finding) || said.lines().any(|line| line == step);
        assert!(was_said, "{finding} is not in {said} {}", looked.stderr);
    }
    let said = look("v2").succeeded();
    assert!(said.stderr.contains("v2 was deployed with this very tree before"), "{}", said.stderr);
    assert!(said.stdout.contains(" would be compressed and sent, in 0 contents"), "{}", said.stdout);
}
