//! `cycle.sh`: what it does to a machine's versions, in which order, and when it refuses.
//!
//! The machine is a model here, a folder of versions behind a script that answers like `system-version-manager`; on a booted machine the
//! same is shown with the real one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::Done;
use baserock_tests::{extensions, programs};

/// A machine that runs `factory`, which is its default.
struct Machine {
    definitions: Definitions,
}

const MODEL: &str = r#"#!/bin/sh
set -eu
echo "$*" >>"$MACHINE/history"
case $1 in
get-running) cat "$MACHINE/running" ;;
get-default) cat "$MACHINE/default" ;;
set-default) test -d "$MACHINE/versions/$2"; echo "$2" >"$MACHINE/default" ;;
remove)
    test "$2" != "$(cat "$MACHINE/default")"
    test "$2" != "$(cat "$MACHINE/running")"
    rmdir "$MACHINE/versions/$2"
    ;;
list)
    for version in "$MACHINE/versions"/*; do
        label=${version##*/}
        if [ "$label" = "$(cat "$MACHINE/default")" ]; then label="$label (default)"; fi
        echo "$label"
    done
    ;;
esac
"#;

impl Machine {
    fn new() -> Self {
        let definitions = Definitions::new();
        definitions
            .write("systems/trial.morph", "name: trial\nkind: system\nbuild: {type: extensions/make}\n");
        definitions.script("extensions/make.build", "echo built >\"$1/file\"");
        definitions.script(
            "extensions/push.write",
            "mkdir \"$MACHINE/versions/$VERSION_LABEL\"; echo \"$VERSION_LABEL\" >\"$MACHINE/default\"
             cp \"$1/file\" \"$MACHINE\"; echo \"deploy $VERSION_LABEL $UPGRADE $HOSTNAME\" >>\"$MACHINE/history\"",
        );
        definitions.cluster(&["self: {type: extensions/push, location: root@localhost}"]);
        for folder in ["machine/versions/factory", "machine/versions/TESTING", "bin"] {
            fs::create_dir_all(definitions.path(folder)).unwrap();
        }
        definitions.write("machine/running", "factory\n");
        definitions.write("machine/default", "factory\n");
        definitions.write("bin/system-version-manager", MODEL);
        let model = definitions.path("bin/system-version-manager");
        fs::set_permissions(model, fs::Permissions::from_mode(0o755)).unwrap();
        symlink(programs::path("morph"), definitions.path("bin/morph")).unwrap();
        Machine { definitions }
    }

    fn cycle(&self, arguments: &[&str]) -> Done {
        let path = format!("{}:{}", self.definitions.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(extensions::source("cycle/cycle.sh"));
        command.args(arguments).current_dir(self.definitions.root()).env("PATH", path);
        command.env("MACHINE", self.definitions.path("machine"));
        Done::from(command.output().unwrap())
    }

    /// What was done, but for questions.
    fn history(&self) -> Vec<String> {
        let history = self.definitions.read("machine/history");
        let done = history.lines().filter(|line| !line.starts_with("get-") && !line.starts_with("list"));
        done.map(str::to_owned).collect()
    }
}

const TRIAL: [&str; 2] = ["systems/trial.morph", "clusters/c.morph"];

fn host_name() -> String {
    let output = Command::new("hostname").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_earlier_trial_is_replaced_and_never_the_only_version_to_boot() {
    let machine = Machine::new();
    let deployed = format!("deploy TEST yes {}", host_name());
    let first = machine.cycle(&TRIAL).succeeded();
    assert!(
        first.stdout.ends_with("or go back with: system-version-manager set-default factory\n"),
        "{}",
        first.stdout
    );
    assert_eq!(machine.history(), [deployed.as_str()]);
    assert_eq!(machine.definitions.read("machine/file"), "built\n");
    let second = machine.cycle(&TRIAL).succeeded();
    assert!(second.stdout.contains("trial: up to date\n"), "{}", second.stdout);
    assert_eq!(machine.history(), [&deployed, "set-default factory", "remove TEST", &deployed]);
}

#[test]
fn an_earlier_trial_that_is_not_the_default_is_only_removed() {
    let machine = Machine::new();
    fs::create_dir(machine.definitions.path("machine/versions/try")).unwrap();
    let arguments = [&TRIAL[..], &["try"]].concat();
    let _ended = machine.cycle(&arguments).succeeded();
    assert_eq!(machine.history(), ["remove try".to_owned(), format!("deploy try yes {}", host_name())]);
}

#[test]
fn the_running_version_and_factory_are_not_replaced() {
    let machine = Machine::new();
    machine.cycle(&[&TRIAL[..], &["factory"]].concat()).failed(&["cycle.sh: factory is running now"]);
    machine.definitions.write("machine/running", "TEST\n");
    machine.cycle(&TRIAL).failed(&["cycle.sh: TEST is running now, and cannot be replaced"]);
    machine
        .cycle(&[&TRIAL[..], &["factory"]].concat())
        .failed(&["cycle.sh: factory is the version to fall back to"]);
    assert!(machine.history().is_empty());
}

#[test]
fn a_build_that_fails_removes_nothing() {
    let machine = Machine::new();
    let _ended = machine.cycle(&TRIAL).succeeded();
    machine.definitions.script("extensions/make.build", "echo ERROR: no compiler; exit 1");
    let before = machine.history();
    machine.cycle(&TRIAL).failed(&["no compiler"]);
    assert_eq!(machine.history(), before);
    assert_eq!(machine.cycle(&["only-one"]).code, 2);
    let help = machine.cycle(&["--help"]).succeeded();
    assert!(help.stdout.starts_with("Usage: cycle.sh SYSTEM CLUSTER [LABEL]\n"));
}
