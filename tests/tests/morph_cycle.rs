//! `cycle.sh`: what it does to a machine's versions, in which order, and when it refuses.
//!
//! The machine is a version of a real volume. `cycle.sh` and `morph` run beside it instead of in it, where there is no ssh: they reach its
//! `system-version-manager` by chroot, and itself under the name localhost.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock_tests::client::Client;
use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::programs::{Done, run};
use baserock_tests::ssh::Target;
use baserock_tests::version::{factory_image, put_tree};
use baserock_tests::{disk, extensions, inputs, programs};

/// A machine that runs `factory`, which is its default, and a repository with a system that a tarball becomes.
struct Machine {
    definitions: Definitions,
    image: Image,
    target: Option<Target>,
}

const TRIAL: [&str; 2] = ["systems/trial.morph", "clusters/upgrade-devel.morph"];
const SYSTEM: &str = "name: trial\nkind: system\nconfiguration-extensions: [extensions/set-hostname]\n\
                      build: {type: extensions/tar, TARBALL: images/trial.tar}\n";

impl Machine {
    fn new() -> Self {
        Machine::prepared(|_| ())
    }

    /// One with extlinux.
    fn with_loader() -> Self {
        Machine::prepared(|image| disk::put_loader(&image.path()))
    }

    fn prepared(prepare: impl FnOnce(&Image)) -> Self {
        let definitions = Definitions::example();
        definitions.write("systems/trial.morph", SYSTEM);
        definitions.write("images/files/built", "first\n");
        let image = factory_image(1536);
        put_tree(&image, "TESTING", |_| ());
        image.wait_until_detached();
        prepare(&image);
        let mut machine = Machine { definitions, image, target: None };
        machine.pack();
        machine.boot("factory");
        let _deployed = machine.manage(&["deploy", "/systems/TESTING/orig"]);
        machine
    }

    /// Makes the tarball.
    fn pack(&self) {
        let mut tar = Command::new("tar");
        tar.current_dir(self.definitions.path("images")).args(["-cf", "trial.tar", "-C"]);
        run(tar
            .arg(inputs::busybox().unwrap())
            .args([".", "-C"])
            .arg(self.definitions.path("images/files"))
            .arg("built"))
        .ok();
    }

    fn boot(&mut self, label: &str) {
        self.target = None;
        self.target = Some(Target::start(&self.image, label));
    }

    fn target(&self) -> &Target {
        self.target.as_ref().expect("it runs")
    }

    fn manage(&self, arguments: &[&str]) -> String {
        self.target().system.manage(arguments).ok()
    }

    /// A file of the trial as it was built.
    fn built(&self, label: &str) -> String {
        let top = self.target().system.top_level();
        fs::read_to_string(top.path().join("systems").join(label).join("orig/built")).unwrap()
    }

    fn cycle(&self, arguments: &[&str]) -> Done {
        self.run(&extensions::source("cycle/cycle.sh"), arguments)
    }

    /// Runs a program beside the machine, as if it was in it.
    fn run(&self, program: &Path, arguments: &[&str]) -> Done {
        let target = self.target();
        let client = Client::new().knows("localhost", target.sshd.listens(), "");
        let root = target.system.path("");
        let manage = format!("exec chroot {} /tmp/system-version-manager \"$@\"", root.display());
        client.program("system-version-manager", &format!("#!/bin/sh\nPATH=$PATH:/bin\n{manage}\n"));
        client.program("morph", &format!("#!/bin/sh\nexec {} \"$@\"\n", programs::path("morph").display()));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.definitions.root());
        run(client.own(&mut command).env("MORPH_EXTENSIONS", self.definitions.installed()))
    }
}

const FACTORY_RUNS: &str = "TEST (default)\nTESTING\nfactory (running)\n";

#[test]
fn an_earlier_trial_is_replaced_and_never_the_only_version_to_boot() {
    let mut machine = Machine::new();
    let first = machine.cycle(&TRIAL).succeeded();
    assert!(
        first.stdout.ends_with("or go back with: system-version-manager set-default factory\n"),
        "{}",
        first.stdout
    );
    assert_eq!(machine.manage(&["list"]), FACTORY_RUNS);
    assert_eq!(machine.built("TEST"), "first\n");

    // The default cannot be removed: that it is replaced shows that the running version was made the default before.
    let replaced =
        "cycle.sh: making factory the default, since TEST is replaced\ncycle.sh: removing the earlier TEST\n";
    let second = machine.cycle(&TRIAL).succeeded();
    assert!(second.stdout.contains(&format!("trial: up to date\n{replaced}")), "{}", second.stdout);
    machine.definitions.write("images/files/built", "second\n");
    machine.pack();
    let third = machine.cycle(&TRIAL).succeeded();
    assert!(third.stdout.contains(&format!("trial: built\n{replaced}")), "{}", third.stdout);
    assert_eq!(machine.manage(&["list"]), FACTORY_RUNS);
    assert_eq!(machine.built("TEST"), "second\n");

    machine.boot("TEST");
    let name = Command::new("hostname").output().unwrap().stdout;
    assert_eq!(fs::read(machine.target().system.path("etc/hostname")).unwrap(), name);
    machine.cycle(&TRIAL).failed(&["cycle.sh: TEST is running now, and cannot be replaced"]);
    machine
        .cycle(&[&TRIAL[..], &["factory"]].concat())
        .failed(&["cycle.sh: factory is the version to fall back to"]);
    assert_eq!(machine.manage(&["list"]), "TEST (running) (default)\nTESTING\nfactory\n");
}

#[test]
fn an_earlier_trial_that_is_not_the_default_is_only_removed() {
    let machine = Machine::new();
    machine.cycle(&[&TRIAL[..], &["factory"]].concat()).failed(&["cycle.sh: factory is running now"]);
    let ended = machine.cycle(&[&TRIAL[..], &["TESTING"]].concat()).succeeded();
    assert!(
        ended.stdout.contains("trial: built\ncycle.sh: removing the earlier TESTING\n"),
        "{}",
        ended.stdout
    );
    assert_eq!(machine.manage(&["list"]), "TESTING (default)\nfactory (running)\n");
    assert_eq!(machine.built("TESTING"), "first\n");
}

const IS_DEFAULT: &str = "TEST\nTESTING\nfactory (running) (default)\n";

#[test]
fn a_version_is_tried_where_the_boot_loader_can() {
    let machine = Machine::with_loader();
    let without = machine.cycle(&TRIAL).succeeded();
    assert!(without.stdout.contains("keep it with: system-version-manager confirm\n"), "{}", without.stdout);
    assert!(without.stderr.contains("no unit baserock-confirm.service"), "{}", without.stderr);
    assert_eq!(machine.manage(&["list"]), IS_DEFAULT);

    // The tree has what a trial needs. The earlier version, which waits for its trial, is replaced.
    let tools = SYSTEM.replace('[', "[extensions/baserock-tools, ");
    machine.definitions.write("systems/trial.morph", &tools);
    let with = machine.cycle(&TRIAL).succeeded();
    let words =
        "TEST is deployed; reboot to try it: the machine comes back to factory unless TEST confirms itself\n";
    assert!(with.stdout.contains("cycle.sh: removing the earlier TEST\n"), "{}", with.stdout);
    assert!(with.stdout.ends_with(words), "{}", with.stdout);
    assert_eq!(machine.manage(&["list"]), IS_DEFAULT);
    let listed = machine.target().system.manage(&["list"]);
    assert!(listed.stderr.contains("trial of TEST: it boots next, once"), "{}", listed.stderr);
}

#[test]
fn an_upgrade_gets_the_parameters_of_a_trial() {
    let machine = Machine::new();
    machine.cycle(&[&TRIAL[..], &["TEST"]].concat()).ok();
    let upgrade = |parameters: &[&str]| {
        let arguments = ["upgrade", "--system", TRIAL[0], TRIAL[1], "self", "self.VERSION_LABEL=v2"];
        machine.run(&programs::path("morph"), &[&arguments[..], parameters].concat())
    };
    upgrade(&["self.TRIAL=yes"]).failed(&["TRIAL is set and AUTOSTART is not"]);
    upgrade(&["self.TRIAL=yes", "self.AUTOSTART=yes"]).failed(&["cannot boot a version just once"]);
    assert_eq!(machine.manage(&["list"]), FACTORY_RUNS);
}

#[test]
fn a_build_that_fails_removes_nothing() {
    let machine = Machine::new();
    let before = machine.manage(&["list"]);
    machine.definitions.write("images/trial.tar", "no archive");
    machine.cycle(&[&TRIAL[..], &["TESTING"]].concat()).failed(&["images/trial.tar"]);
    assert_eq!(machine.manage(&["list"]), before);
    assert_eq!(machine.cycle(&["only-one"]).code, 2);
    let help = machine.cycle(&["--help"]).succeeded();
    assert!(help.stdout.starts_with("Usage: cycle.sh SYSTEM CLUSTER [LABEL]\n"));
}
