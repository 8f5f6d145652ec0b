//! How programs show what they do: colours, quiet, progress as JSON, bars, the pager.
//!
//! Pace: seconds

use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::{command, path, run};
use baserock_tests::version::factory_image;
use serde_json::Value;

/// A repository whose only deployment warns, tells of its progress, and takes a while.
fn telling() -> Definitions {
    let definitions = Definitions::new();
    definitions.script(
        "extensions/tell.write",
        "echo writing; echo 'warning: it is late' >&2; echo progress 5 10 >&$MORPH_LOG_FD; sleep 1",
    );
    definitions.cluster(&["web: {type: extensions/tell, location: x}"]);
    definitions
}

const DEPLOY: [&str; 2] = ["deploy", "clusters/c.morph"];

#[test]
fn colours_are_for_terminals_or_where_somebody_wants_them() {
    let definitions = telling();
    let shown = |option: &str, variable: &str| {
        let mut morph = definitions.command(&DEPLOY);
        run(morph.arg(option).env(variable, "1")).stderr
    };
    assert_eq!(shown("--color=auto", "X"), "web: warning: it is late\n");
    assert_eq!(shown("--color=never", "CLICOLOR_FORCE"), "web: warning: it is late\n");
    assert_eq!(shown("--color=always", "NO_COLOR"), "web: \x1b[33mwarning:\x1b[0m it is late\n");
    let mut failing = command("system-version-manager");
    failing.args(["--color=always", "--volume", "/nowhere", "list"]);
    let said = run(&mut failing).stderr;
    assert!(said.starts_with("\x1b[31msystem-version-manager:\x1b[0m "), "{said:?}");
}

#[test]
fn a_quiet_program_says_only_what_somebody_must_know() {
    let definitions = telling();
    let quiet = definitions.morph(&[&DEPLOY[..], &["--quiet"]].concat()).succeeded();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", "web: warning: it is late\n"));
    let loud = definitions.morph(&DEPLOY).succeeded();
    assert!(
        loud.stdout.contains("web: writing\n") && loud.stdout.ends_with("web: deployed\n"),
        "{}",
        loud.stdout
    );
    let failing = definitions.morph(&["deploy", "clusters/none.morph", "-q"]);
    assert!(failing.code == 1 && !failing.stderr.is_empty());
}

#[test]
fn progress_can_be_read_by_programs() {
    let definitions = telling();
    let done = definitions.morph(&[&DEPLOY[..], &["--progress", "json"]].concat()).succeeded();
    let json = done.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<Value> = json.collect();
    assert_eq!(told.len(), 1, "{}", done.stderr);
    assert_eq!(
        (&told[0]["deployment"], &told[0]["done"], &told[0]["total"]),
        (&"web".into(), &5.into(), &10.into())
    );
    let image = factory_image(256);
    let mut copy = command("system-version-manager");
    copy.arg("--volume").arg(image.path()).args(["--progress", "json", "copy", "factory", "again"]);
    let said = run(&mut copy).succeeded().stderr;
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(events.iter().all(|event| event["event"].is_string()), "{said}");
}

/// What a command shows on a terminal of 24 lines.
fn on_terminal(line: &str) -> String {
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 120 rows 24; {line}"), "/dev/null"]);
    let done = run(script.env("TERM", "xterm").env("LC_ALL", "C").env_remove("NO_COLOR"));
    assert_eq!(done.code, 0, "{}", done.stdout);
    done.stdout
}

#[test]
fn each_deployment_has_a_bar() {
    let definitions = telling();
    definitions.cluster(&[
        "web: {type: extensions/tell, location: x}",
        "mail: {type: extensions/tell, location: y}",
    ]);
    let line = format!(
        "cd {} && MORPH_EXTENSIONS={} {} deploy clusters/c.morph --jobs 2",
        definitions.root().display(),
        definitions.installed().display(),
        path("morph").display()
    );
    let shown = on_terminal(&line);
    for name in ["web", "mail"] {
        assert!(shown.contains(&format!("{name}  ###")), "{name}: {shown:?}");
    }
    assert!(shown.contains("\x1b[33mwarning:\x1b[0m"), "{shown:?}");
    assert!(!shown.contains('\u{2588}'), "{shown:?}");
}

#[test]
fn a_long_difference_is_shown_in_the_pager() {
    let image = factory_image(256);
    let program = path("system-version-manager");
    let line = |pager: &str, options: &str| {
        format!(
            "{pager} {} --volume {} diff --edits factory {options}",
            program.display(),
            image.path().display()
        )
    };
    let mount = image.mount("");
    std::fs::write(mount.path().join("systems/factory/run/etc/added"), "x\n").unwrap();
    drop(mount);
    assert!(on_terminal(&line("PAGER='sed s/^/paged:/'", "")).contains("paged:"));
    let plain = run(Command::new("sh").args(["-c", &line("PAGER='sed s/^/paged:/'", "")])).ok();
    assert!(plain.contains("+x") && !plain.contains("paged:") && !plain.contains('\x1b'), "{plain}");
}
