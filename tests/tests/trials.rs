//! Trials of versions: what is refused, what is told to the boot loader, and what becomes of a trial. The test is the boot loader.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use baserock::boot::adv::{Adv, SIZE};
use baserock::volume::ON_BTRFS;
use baserock_tests::disk;
use baserock_tests::image::Image;
use baserock_tests::operations::TRY;
use baserock_tests::programs::Done;
use baserock_tests::running::Running;
use baserock_tests::soundness::Place;
use baserock_tests::trees::Trees;
use baserock_tests::version::manage;

/// A disk with factory, the default, and devel, and with extlinux.
fn volume() -> Image {
    let image = TRY.image(&Trees::new());
    let run = image.mount("subvolid=5");
    // It has the unit that confirms a trial.
    let wants = run.path().join("systems/devel/run/usr/lib/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("../baserock-confirm.service", wants.join("baserock-confirm.service")).unwrap();
    drop(run);
    image
}

/// What a boot loader does: it takes what it is to boot once.
fn boot(image: &Image) -> String {
    image.wait_until_detached();
    disk::boot_once(&image.path())
}

/// What it is told.
fn once(image: &Image) -> Option<String> {
    disk::read_area(&image.path()).once()
}

#[track_caller]
fn says(done: &Done, words: &str) {
    assert!(done.stderr.contains(words), "{words:?} is not in: {}", done.stderr);
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let image = volume();
    for (arguments, words) in [
        (&["try", "factory"][..], &["version factory is the default", "set-default"][..]),
        (&["try", "none"], &["none does not exist"]),
        (&["confirm"], &["no version is on trial", "try LABEL"]),
    ] {
        manage(&image, arguments).refused(words);
    }
    for wrong in [["--deadline", "soon"], ["--deadline", "0"], ["--tries", "0"]] {
        assert_eq!(manage(&image, &[&["try", "devel"], &wrong[..]].concat()).code, 2);
    }
    let top = image.mount("subvolid=5");
    let version = top.path().join("systems/devel");
    fs::write(version.join(".incomplete"), "").unwrap();
    drop(top);
    manage(&image, &["try", "devel"]).refused(&["version devel is not complete"]);
    let top = image.mount("subvolid=5");
    let version = top.path().join("systems/devel");
    fs::remove_file(version.join(".incomplete")).unwrap();
    fs::remove_dir_all(version.join("run/usr/lib/systemd/system/multi-user.target.wants")).unwrap();
    drop(top);
    manage(&image, &["try", "devel"]).refused(&["no unit baserock-confirm.service", "--without-units"]);
    assert_eq!(once(&image), None);
    assert!(!image.mount("subvolid=5").path().join(".baserock/trial.json").exists());

    // The loader's area is damaged, as if there was none.
    let file = File::options().write(true).open(image.path()).unwrap();
    file.write_all_at(&[0; SIZE], ON_BTRFS).unwrap();
    manage(&image, &["try", "devel", "--without-units"])
        .refused(&["cannot boot a version just once", "no extlinux"]);
}

#[test]
fn a_trial_that_runs_is_confirmed() {
    let image = volume();
    says(
        &manage(&image, &["try", "devel", "--deadline", "90s"]).succeeded(),
        "unless it is confirmed within 90 s",
    );
    manage(&image, &["remove", "devel"]).refused(&["version devel is on trial", "abandon"]);
    assert_eq!(boot(&image), "devel panic=30 baserock.trial=90");
    let system = Running::start(&image, "devel");
    says(&system.manage(&["list"]).succeeded(), "trial of devel: it is running, and is not confirmed");
    let json = system.manage(&["list", "--json"]).ok();
    assert!(json.contains(r#""trial": "it is running"#) && json.contains(r#""trial": null"#), "{json}");
    fs::write(system.path("etc/during"), "").unwrap();
    assert_eq!(system.manage(&["finish"]).succeeded().stderr, "", "nothing goes into the old version");
    assert_eq!(system.manage(&["get-default"]).ok(), "factory\n");
    says(&system.manage(&["confirm", "--at-boot"]).succeeded(), "devel is confirmed: it is the default now");
    assert_eq!(system.manage(&["get-default"]).ok(), "devel\n");
    assert_eq!(system.manage(&["list"]).succeeded().stderr, "");
    assert_eq!(system.manage(&["confirm", "--at-boot"]).succeeded().stderr, "");
    let top = system.top_level();
    assert!(!top.path().join(".baserock/trial.json").exists());
    let outcome = fs::read_to_string(top.path().join("systems/devel/trial.json")).unwrap();
    assert!(outcome.contains("\"confirmed\": true") && !outcome.contains("\"took\": null"), "{outcome}");

    // A deadline that is shorter than what it took.
    system.manage(&["set-default", "factory"]).ok();
    drop(top);
    drop(system);
    image.wait_until_detached();
    let done = manage(&image, &["try", "devel", "--deadline", "1s"]).succeeded();
    says(&done, "the deadline is 1 s, and a version of this machine took");
}

#[test]
fn what_came_back_is_named_and_tried_again_as_often_as_asked() {
    let image = volume();
    manage(&image, &["try", "devel", "--tries", "2"]).ok();
    assert!(boot(&image).starts_with("devel "));
    let trial = Running::start(&image, "devel");
    fs::write(trial.path("etc/during"), "").unwrap();
    drop(trial);
    image.wait_until_detached();

    let system = Running::start(&image, "factory");
    system.add_program("/bin/true", "bin/reboot");
    says(&system.manage(&["list"]).succeeded(), "trial of devel: the machine came back from it");
    says(
        &system.manage(&["confirm", "--at-boot"]).succeeded(),
        "devel came back from its trial and is tried again",
    );
    says(&system.manage(&["list"]).succeeded(), "trial of devel: it boots next, once");
    drop(system);
    assert!(boot(&image).starts_with("devel "));
    // The machine that runs the tests has not booted meanwhile.
    let top = image.mount("subvolid=5");
    let record = top.path().join(".baserock/trial.json");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains(boot_id.trim()), "{text}");
    fs::write(&record, text.replace(boot_id.trim(), "another")).unwrap();
    drop(top);
    image.wait_until_detached();

    let system = Running::start(&image, "factory");
    let done = system.manage(&["confirm", "--at-boot"]).succeeded();
    says(&done, "devel came back from its trial: it did not come up");
    says(&done, "during");
    says(&system.manage(&["list"]).succeeded(), "trial of devel: came back: it did not come up");
    assert_eq!(once(&image), None);
    says(&system.manage(&["set-default", "devel"]).succeeded(), "devel came back from its last trial");
}

#[test]
fn a_trial_by_hand_waits_for_somebody_to_confirm_it() {
    let image = volume();
    manage(&image, &["try", "devel", "--by-hand"]).ok();
    assert!(boot(&image).starts_with("devel "));
    let system = Running::start(&image, "devel");
    assert!(system.manage(&["status", "--json"]).stdout.contains("\"well\": false"));
    says(
        &system.manage(&["confirm", "--at-boot"]).succeeded(),
        "devel is well; whoever has begun its trial confirms it",
    );
    assert_eq!(system.manage(&["get-default"]).ok(), "factory\n");
    assert!(system.manage(&["status", "--json"]).stdout.contains("\"well\": true"));
    system.manage(&["confirm"]).ok();
    assert_eq!(system.manage(&["get-default"]).ok(), "devel\n");
}

#[test]
fn another_choice_calls_a_trial_off() {
    let image = volume();
    let system = Running::start(&image, "factory");
    system.manage(&["try", "devel"]).ok();
    system.manage(&["confirm"]).refused(&["version devel, which is on trial, is not running", "abandon"]);
    // Somebody else tells the boot loader otherwise.
    boot_of(&system, None);
    says(&system.manage(&["list"]).succeeded(), "it was not armed completely, or was disarmed");
    system.manage(&["try", "devel"]).ok();
    says(
        &system.manage(&["set-default", "factory"]).succeeded(),
        "devel, which was to be booted once, is not any more",
    );
    assert_eq!(once_of(&system), None);
    boot_of(&system, Some("memtest"));
    says(&system.manage(&["set-default", "factory"]).succeeded(), "memtest, which was to be booted once");
    drop(system);

    manage(&image, &["try", "devel"]).ok();
    boot(&image);
    let trial = Running::start(&image, "devel");
    trial.manage(&["set-default", "factory"]).ok();
    says(&trial.manage(&["list"]).succeeded(), "trial of devel: came back: factory was chosen instead");
    assert_eq!(trial.manage(&["abandon"]).succeeded().stderr, "no version is on trial\n");
}

#[test]
fn a_deadline_that_a_usual_boot_does_not_meet_is_named() {
    let image = volume();
    let system = Running::start(&image, "factory");
    // As the unit does when the machine has come up; it has been up for longer than a second.
    assert_eq!(system.manage(&["confirm", "--at-boot"]).succeeded().stderr, "");
    let done = system.manage(&["try", "devel", "--deadline", "1s"]).succeeded();
    says(&done, "warning: the deadline is 1 s, and a version of this machine took ");
}

#[test]
fn what_runs_or_has_no_kernel_is_not_tried() {
    let image = volume();
    let system = Running::start(&image, "devel");
    system.manage(&["try", "devel"]).refused(&["version devel is running"]);
    drop(system);
    image.wait_until_detached();
    fs::remove_file(image.mount("subvolid=5").path().join("systems/devel/kernel")).unwrap();
    image.wait_until_detached();
    manage(&image, &["try", "devel"]).refused(&["version devel is not complete"]);
    assert_eq!(once(&image), None);
}

#[test]
fn a_trial_needs_no_factory_and_a_label_may_be_a_number() {
    let image = volume();
    manage(&image, &["rename", "factory", "one"]).ok();
    manage(&image, &["rename", "devel", "1"]).ok();
    manage(&image, &["try", "1"]).ok();
    assert_eq!(boot(&image), "1 panic=30 baserock.trial=600");
    let system = Running::start(&image, "1");
    system.manage(&["confirm"]).ok();
    assert_eq!(system.manage(&["list"]).ok(), "1 (running) (default)\none\n");
}

#[test]
fn a_second_trial_replaces_the_first_and_says_so() {
    let trees = Trees::new();
    let image = TRY.image(&trees);
    disk::deploy(&trees, &image.path(), "spare");
    let tries = |label| manage(&image, &["try", label, "--without-units"]).succeeded();
    tries("devel");
    says(&tries("spare"), "devel, which was to be booted once, is not any more");
    says(&manage(&image, &["list"]).succeeded(), "trial of spare: it boots next, once");
    assert_eq!(boot(&image), "spare panic=30 baserock.trial=600");
    let system = Running::start(&image, "spare");
    // The version on trial runs, and another is to be tried from it.
    says(&system.manage(&["try", "devel", "--without-units"]).succeeded(), "the next boot is devel");
    says(&system.manage(&["list"]).succeeded(), "trial of spare: came back: devel was chosen instead");
    assert_eq!(system.manage(&["get-default"]).ok(), "factory\n");
}

#[test]
fn records_that_cannot_be_read_stop_nothing() {
    let image = volume();
    manage(&image, &["try", "devel"]).ok();
    let damage = |path: &str| {
        fs::write(image.mount("subvolid=5").path().join(path), "{").unwrap();
        image.wait_until_detached();
    };
    damage(".baserock/trial.json");
    damage("systems/devel/trial.json");
    let list = manage(&image, &["list"]).succeeded();
    says(&list, "/.baserock/trial.json: ");
    says(&list, "/systems/devel/trial.json: ");
    assert_eq!(list.stdout, "devel\nfactory (default)\n");
    let done = manage(&image, &["set-default", "devel"]).succeeded();
    says(&done, "no version is on trial any more");
    says(&done, "/systems/devel/trial.json: ");
    assert_eq!(once(&image), None);
    assert!(!image.mount("subvolid=5").path().join(".baserock/trial.json").exists());
    image.wait_until_detached();
    manage(&image, &["set-default", "factory"]).ok();
    says(&manage(&image, &["try", "devel"]).succeeded(), "/systems/devel/trial.json: ");
}

#[test]
fn what_a_killed_program_leaves_beside_records_is_swept() {
    let image = volume();
    manage(&image, &["try", "devel"]).ok();
    let top = image.mount("subvolid=5");
    let place = Place::new(top.path());
    let debris = [".baserock/.trial.json.new", ".baserock/.renaming.json.new", "extlinux/.trial.conf.new"];
    for path in debris {
        fs::write(top.path().join(path), "half").unwrap();
    }
    assert_eq!(place.debris(&[]).len(), debris.len(), "{:?}", place.debris(&[]));
    drop(top);
    image.wait_until_detached();
    manage(&image, &["abandon"]).ok();
    let top = image.mount("subvolid=5");
    assert_eq!(Place::new(top.path()).debris(&[]), Vec::<String>::new());
}

/// What the boot loader of a running system is told.
fn once_of(system: &Running) -> Option<String> {
    let mut area = [0; SIZE];
    File::open(system.device()).unwrap().read_exact_at(&mut area, ON_BTRFS).unwrap();
    Adv::parse(&area).unwrap().once()
}

fn boot_of(system: &Running, once: Option<&str>) {
    write(system.device(), &Adv::default().with_once(once).unwrap());
}

fn write(path: &Path, adv: &Adv) {
    File::options().write(true).open(path).unwrap().write_all_at(&adv.to_bytes(), ON_BTRFS).unwrap();
}

#[test]
fn extlinux_on_another_filesystem_has_its_area_in_its_file() {
    let image = baserock_tests::operations::SET_DEFAULT_BOOT.image(&Trees::new());
    manage(&image, &["try", "devel", "--without-units"]).refused(&["no extlinux"]);
    let boot = image.mount_boot().unwrap();
    let loader = boot.path().join("ldlinux.sys");
    let mut bytes = vec![7; 5000];
    bytes.extend(Adv::default().to_bytes());
    fs::write(&loader, &bytes).unwrap();
    baserock_tests::programs::shell("chattr", &["+i", loader.to_str().unwrap()]);
    drop(boot);
    image.wait_until_detached();
    manage(&image, &["try", "devel", "--without-units"]).ok();
    let boot = image.mount_boot().unwrap();
    let after = fs::read(boot.path().join("ldlinux.sys")).unwrap();
    assert_eq!(after[..5000], bytes[..5000]);
    let once = Adv::parse(after[5000..].try_into().unwrap()).unwrap().once();
    assert_eq!(once.as_deref(), Some("devel panic=30 baserock.trial=600"));
    let flags =
        baserock_tests::programs::shell("lsattr", &[boot.path().join("ldlinux.sys").to_str().unwrap()]);
    assert!(flags.starts_with("----i"), "{flags}");
    drop(boot);
    image.wait_until_detached();
}
