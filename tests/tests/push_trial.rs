//! The end of a trial that was pushed, by an agent that is told directly: it checks and confirms, or abandons. And the watcher, which restarts
//! the machine at the deadline. `boot_arm` has one on a machine that boots.
//!
//! Pace: seconds

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baserock::json;
use baserock_tests::disk;
use baserock_tests::image::Image;
use baserock_tests::operations::TRY;
use baserock_tests::programs::{self, Done, run, shell};
use baserock_tests::running::Running;
use baserock_tests::trees::Trees;
use baserock_tests::version::manage;
use delta::frame;
use nix::mount::{MsFlags, mount};
use ssh_rsync::protocol::{Hello, Task, VERSION, kind};
use system::observer::Event;
use system::uptime::uptime;

const TOKEN: &str = "token";

/// A disk whose boot loader has begun a trial of devel, to be confirmed within this time from now.
fn on_trial(time: u64) -> Image {
    let image = TRY.image(&Trees::new());
    let deadline = (uptime().unwrap().as_secs() + time).to_string();
    manage(&image, &["try", "devel", "--without-units", "--deadline", &deadline]).ok();
    image.wait_until_detached();
    assert!(disk::boot_once(&image.path()).starts_with("devel "));
    image
}

/// A command inside that cannot restart the machine that runs the tests. The program `reboot` leaves a file.
fn inside(system: &Running, program: &str) -> Command {
    shell("rm", &["-f", system.path("bin/reboot").to_str().unwrap()]);
    fs::write(system.path("bin/reboot"), "#!/bin/sh\n: >/tmp/rebooted\n").unwrap();
    shell("chmod", &["+x", system.path("bin/reboot").to_str().unwrap()]);
    let command = system.command(program);
    let mut harmless = Command::new("setpriv");
    harmless.arg("--bounding-set=-sys_boot").arg(command.get_program()).args(command.get_args());
    harmless.env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin");
    harmless
}

/// Tells an agent to confirm. Returns what it says, and the kind and the text of its last frame.
fn confirm(system: &Running, check: Option<&str>) -> (Vec<String>, u8, String) {
    fs::copy(programs::path("baserock-agent"), system.path("tmp/agent")).unwrap();
    let agent = inside(system, "/tmp/agent").arg(TOKEN).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut agent = agent.unwrap();
    let (mut to, mut from) = (agent.stdin.take().unwrap(), BufReader::new(agent.stdout.take().unwrap()));
    let mut ready = String::new();
    from.read_line(&mut ready).unwrap();
    assert_eq!(ready, format!("{TOKEN} ready\n"));
    let hello = Hello {
        version: VERSION,
        label: "devel".into(),
        task: Task::Confirm { check: check.map(str::to_owned) },
        deployment: BTreeMap::new(),
        by: None,
    };
    frame::write(&mut to, kind::HELLO, json::line(&hello).unwrap().as_bytes()).unwrap();
    let mut said = Vec::new();
    let last = loop {
        let frame = frame::read(&mut from).unwrap();
        match frame.kind {
            kind::HEARTBEAT => {}
            kind::EVENT => match json::read::<Event>(&frame.content).unwrap() {
                Event::Phase { text } => said.push(text),
                other => said.push(format!("{other:?}")),
            },
            _ => break frame,
        }
    };
    from.read_to_end(&mut Vec::new()).unwrap();
    agent.wait().unwrap();
    (said, last.kind, String::from_utf8(last.content).unwrap())
}

fn list(system: &Running) -> Done {
    system.manage(&["list"]).succeeded()
}

#[track_caller]
fn says(done: &Done, words: &str) {
    assert!(done.stderr.contains(words), "{words:?} is not in: {}", done.stderr);
}

#[test]
fn a_check_that_succeeds_confirms_and_its_output_is_shown() {
    let image = on_trial(600);
    let system = Running::start(&image, "devel");
    let (said, last, _) = confirm(&system, Some("echo all; echo well >&2"));
    assert_eq!(last, kind::READY, "{said:?}");
    for words in ["check: all", "check: well", "the check has succeeded (exit status: 0)"] {
        assert!(said.iter().any(|line| line == words), "{words:?} is not in {said:?}");
    }
    assert_eq!(list(&system).stdout, "devel (running) (default)\nfactory\n");
    assert!(!system.path("tmp/rebooted").exists());
    let (said, last, why) = confirm(&system, None);
    assert_eq!((last, why.as_str()), (kind::FAILED, "no version is on trial"), "{said:?}");
}

#[test]
fn a_check_that_fails_ends_the_trial_and_the_machine_reboots() {
    let image = on_trial(600);
    let system = Running::start(&image, "devel");
    let (said, last, why) = confirm(&system, Some("echo not well; exit 3"));
    assert_eq!((last, why.as_str()), (kind::ABANDONED, "the check of the deployer failed: exit status: 3"));
    assert!(said.contains(&"check: not well".to_owned()), "{said:?}");
    assert!(system.path("tmp/rebooted").exists());
    says(&list(&system), "trial of devel: came back: the check of the deployer failed: exit status: 3");
    assert_eq!(system.manage(&["get-default"]).ok(), "factory\n");
    drop(system);
    image.wait_until_detached();
    let system = Running::start(&image, "factory");
    let status = system.manage(&["status"]);
    let words = "came back from devel and runs factory: the check of the deployer failed: exit status: 3";
    assert!(status.code == 3 && status.stdout.contains(words), "{status:?}");
}

#[test]
fn a_check_that_does_not_end_is_ended_before_the_deadline() {
    let image = on_trial(9);
    let system = Running::start(&image, "devel");
    let begun = Instant::now();
    let (_, last, why) = confirm(&system, Some("sleep 1000"));
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(last, kind::ABANDONED);
    assert!(why.starts_with("the check of the deployer failed: sh has not ended within "), "{why}");
    assert!(system.path("tmp/rebooted").exists());
}

/// Starts the watcher in a trial of this deadline.
fn watch(system: &Running, deadline: u64) -> Child {
    let cmdline = system.path("tmp/cmdline");
    fs::write(&cmdline, format!("quiet baserock.trial={deadline}\n")).unwrap();
    mount(Some(&cmdline), &system.path("proc/cmdline"), None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .unwrap();
    let mut watcher = inside(system, "/tmp/system-version-manager");
    watcher.arg("watch-trial").stderr(Stdio::piped()).spawn().unwrap()
}

/// What it says, up to the line with these words.
fn hear(watcher: &mut Child, words: &str) -> String {
    let mut said = String::new();
    let mut from = BufReader::new(watcher.stderr.take().unwrap());
    while !said.contains(words) && from.read_line(&mut said).unwrap() > 0 {}
    said
}

/// The kernel refuses to restart this machine for the watcher.
const REFUSED: &str = "cannot reboot the machine: Operation not permitted";

#[test]
fn the_watcher_restarts_the_machine_at_the_deadline_and_the_record_says_so() {
    let image = on_trial(600);
    let system = Running::start(&image, "devel");
    let mut watcher = watch(&system, uptime().unwrap().as_secs() + 2);
    let said = hear(&mut watcher, REFUSED);
    assert!(said.contains("the trial was not confirmed by its deadline: restarting"), "{said}");
    assert!(said.contains(REFUSED), "{said}");
    assert_eq!(watcher.wait().unwrap().code(), Some(1));
    let why = "it was not confirmed by its deadline";
    drop(system);
    image.wait_until_detached();
    says(
        &manage(&image, &["list"]).succeeded(),
        &format!("trial of devel: the machine came back from it: {why}"),
    );
    let status = manage(&image, &["status"]);
    assert!(status.stdout.contains(&format!("devel came back from its last trial: {why}")), "{status:?}");
    says(
        &manage(&image, &["set-default", "factory"]).succeeded(),
        &format!("devel came back from its trial: {why}"),
    );
    says(&manage(&image, &["list"]).succeeded(), &format!("trial of devel: came back: {why}"));
}

#[test]
fn the_watcher_ends_when_the_trial_was_confirmed() {
    let image = on_trial(600);
    let system = Running::start(&image, "devel");
    let mut watcher = watch(&system, uptime().unwrap().as_secs() + 4);
    run(inside(&system, "/tmp/system-version-manager").args(["--wait", "confirm"])).ok();
    let said = hear(&mut watcher, REFUSED);
    assert!(!said.contains("restarting"), "{said}");
    assert_eq!(watcher.wait().unwrap().code(), Some(0));
}

/// A filesystem on which nothing that writes comes to its end.
struct Dead<'p>(&'p Path);

impl<'p> Dead<'p> {
    fn new(path: &'p Path) -> Self {
        shell("fsfreeze", &["--freeze", path.to_str().unwrap()]);
        Dead(path)
    }
}

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        shell("fsfreeze", &["--unfreeze", self.0.to_str().unwrap()]);
    }
}

#[test]
fn the_watcher_restarts_the_machine_although_its_disk_is_dead() {
    let image = on_trial(600);
    let system = Running::start(&image, "devel");
    // The trial may not be read either: the file of the watcher's program, and all that it uses, are elsewhere.
    let mut watcher = watch(&system, uptime().unwrap().as_secs() + 3);
    let root = system.path("");
    let dead = Dead::new(&root);
    let begun = Instant::now();
    let said = hear(&mut watcher, REFUSED);
    assert!(said.contains("its disk does not answer: restarting") && said.contains(REFUSED), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(dead);
    assert_eq!(watcher.wait().unwrap().code(), Some(1));
    // Nobody has said that the trial was over.
    let top = system.top_level();
    File::open(top.path().join(".baserock/trial.json")).unwrap();
}
