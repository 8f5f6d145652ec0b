//! What `morph` refuses, and that it says what would be right.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::Done;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn with_copy() -> Definitions {
    let definitions = Definitions::new();
    definitions.script("extensions/copy.write", "cp -a \"$1\" \"$2\"");
    definitions.cluster(&["self: {type: extensions/copy, location: out}"]);
    definitions
}

#[test]
fn what_has_no_end_or_stands_for_too_much_is_refused_at_once() {
    let definitions = with_copy();
    let fifo = |name: &str| mkfifo(&definitions.path(name), Mode::S_IRWXU).unwrap();
    fifo("clusters/fifo.morph");
    symlink("/dev/zero", definitions.path("clusters/zero.morph")).unwrap();
    let hole = fs::File::create(definitions.path("clusters/hole.morph")).unwrap();
    hole.set_len(20 << 30).unwrap();
    let start = "kind: cluster\nsystems: ";
    definitions.write("clusters/deep.morph", &format!("{start}{}", "[".repeat(100_000)));
    let list = format!("- {{morph: systems/base, deploy: {{x: &a {{L: [{}]}}}}}}\n", "word,".repeat(2000));
    let many: Vec<_> =
        (0..2000).map(|n| format!("- {{morph: systems/base, deploy: {{x{n}: *a}}}}")).collect();
    definitions.write("clusters/aliases.morph", &format!("{start}\n{list}{}", many.join("\n")));
    for (name, why) in [
        ("fifo", "is a FIFO, not a file"),
        ("zero", "is a character device, not a file"),
        ("hole", "has more than 1048576 bytes"),
        ("deep", "nested deeper"),
        ("aliases", "its aliases stand for too much"),
    ] {
        let error = definitions.morph(&["check", &format!("clusters/{name}.morph")]).failed(&[why]);
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    fifo("systems/fifo.morph");
    let text =
        format!("{start}[{{morph: systems/fifo, deploy: {{x: {{type: extensions/copy, location: o}}}}}}]\n");
    definitions.write("clusters/x.morph", &text);
    definitions.morph(&["check", "clusters/x.morph"]).failed(&["systems/fifo.morph", "is a FIFO"]);
    definitions.morph(&["build", "systems/fifo"]).failed(&["systems/fifo.morph", "is a FIFO"]);
    fifo("extensions/copy.write.help");
    definitions.morph(&["help-extensions", "extensions/copy"]).failed(&["copy.write.help", "is a FIFO"]);
}

#[test]
fn files_that_are_no_clusters() {
    let definitions = with_copy();
    for (text, why) in [
        ("{", "clusters/x.morph: not YAML"),
        ("\u{0}", "clusters/x.morph: not YAML"),
        ("", "the file is empty"),
        ("kind: system\nname: a\n", "its kind is system, not cluster"),
        ("kind: cluster\n", "the cluster has no systems"),
        ("kind: cluster\nsystems: [{morph: systems/base, deploy: {}}]\n", "the cluster has no deployments"),
        (
            "kind: cluster\nsystems: [{morph: systems/base, deploy: {a: {location: x}}}]\n",
            "deployment a has no type",
        ),
        (
            "kind: cluster\nsystems: [{morph: systems/base, deploy: {a: {type: extensions/copy}}}]\n",
            "deployment a has no location",
        ),
        (
            "kind: cluster\nsystems: [{morph: systems/none, deploy: {a: {type: extensions/copy, location: x}}}]\n",
            "systems/none.morph: No such file or directory",
        ),
        (
            "kind: cluster\nsystems: [{morph: ../x, deploy: {a: {type: extensions/copy, location: x}}}]\n",
            "without ..",
        ),
        (
            "kind: cluster\nsystems: [{morph: systems/base, deploy: {a: {K: 1, K: 2}}}]\n",
            "K is defined twice",
        ),
    ] {
        definitions.write("clusters/x.morph", text);
        for command in ["deploy", "check", "upgrade"] {
            let error = definitions.morph(&[command, "clusters/x.morph"]).failed(&[why]);
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
    fs::write(definitions.path("clusters/x.morph"), b"kind: \xff").unwrap();
    definitions.morph(&["check", "clusters/x.morph"]).failed(&["not UTF-8"]);
    definitions.morph(&["check", "clusters/none.morph"]).failed(&["clusters/none.morph: No such file"]);
}

#[test]
fn arguments_that_mean_nothing() {
    let definitions = with_copy();
    for (arguments, why) in [
        (&["self.HOSTNAME"][..], "self.HOSTNAME has no value; write self.HOSTNAME=VALUE"),
        (&["HOSTNAME=x"], "HOSTNAME=… names no deployment; write DEPLOYMENT.HOSTNAME=VALUE"),
        (&["slef"], "did you mean self?"),
        (&["slef.K=1"], "did you mean self?"),
        (&["self.K=1", "self.K=2"], "self.K is defined twice"),
        (&["self.type=extensions/cpy"], "did you mean extensions/copy?"),
        (&["self.type=../../bin/x"], "without .."),
    ] {
        let arguments = [&["deploy", "clusters/c.morph"], arguments].concat();
        definitions.morph(&arguments).failed(&[why]);
    }
    assert!(!definitions.path("out").exists());
}

#[test]
fn a_value_of_the_command_line_counts_before_the_environments() {
    let definitions = with_copy();
    let mut command = definitions.command(&["deploy", "clusters/c.morph", "self.HOSTNAME=given"]);
    let ended = Done::from(command.env("HOSTNAME", "other").output().unwrap()).succeeded();
    assert_eq!(ended.stderr, "");
    assert!(definitions.read("out/baserock/deployment.meta").contains("given"));
}

#[test]
fn extensions_that_cannot_be_run() {
    let definitions = with_copy();
    definitions.morph(&["deploy", "clusters/c.morph", "self.type=extensions/coppy"]).failed(&[
        "there is no write extension extensions/coppy",
        "did you mean extensions/copy?",
        "morph help-extensions",
    ]);
    definitions.write("extensions/strange.write", "\u{1}\u{2}");
    definitions
        .morph(&["deploy", "clusters/c.morph", "self.type=extensions/strange"])
        .failed(&["strange.write is not executable; run chmod +x"]);
    let strange = definitions.path("extensions/strange.write");
    fs::set_permissions(&strange, fs::Permissions::from_mode(0o755)).unwrap();
    let error = definitions.morph(&["deploy", "clusters/c.morph", "self.type=extensions/strange"]);
    error.failed(&["self: failed: cannot run", "strange.write"]);
    definitions.write("extensions/old.write", "#!/usr/bin/no-such-python\n");
    for command in ["check", "deploy"] {
        definitions.morph(&[command, "clusters/c.morph", "self.type=extensions/old"]).failed(&[
            "extensions/old.write needs the interpreter /usr/bin/no-such-python, which is not there",
        ]);
    }
    definitions.write(
        "systems/base.morph",
        "name: base\nkind: system\nconfiguration-extensions: [extensions/set-hostnam]\n",
    );
    definitions.installed_script("set-hostname.configure", "true");
    definitions
        .morph(&["deploy", "clusters/c.morph"])
        .failed(&["there is no configure extension", "did you mean extensions/set-hostname?"]);
}

#[test]
fn extensions_that_fail() {
    let definitions = with_copy();
    for (script, why) in [
        (
            "echo 'ERROR: DISK_SIZE is not set'; echo more >&2; exit 1",
            "failed with exit code 1: DISK_SIZE is not set",
        ),
        ("echo first >&2; echo last >&2; exit 7", "failed with exit code 7: last"),
        ("exit 3", "failed with exit code 3 and said nothing"),
        ("kill -9 $$", "was ended by signal: 9 (SIGKILL) and said nothing"),
    ] {
        definitions.script("extensions/bad.write", script);
        let ended = definitions.morph(&["deploy", "clusters/c.morph", "self.type=extensions/bad"]);
        let error = ended.failed(&[&format!("self: failed: extensions/bad.write {why}")]);
        assert!(error.ends_with("morph: 1 of 1 deployments failed: self\n"), "{error}");
        assert!(definitions.left_over().is_empty());
    }
}

#[test]
fn an_extension_that_asks_gets_no_answer() {
    let definitions = with_copy();
    definitions.script("extensions/ask.write", "read -r answer || { echo 'ERROR: nobody answers'; exit 1; }");
    let mut command = definitions.command(&["deploy", "clusters/c.morph", "self.type=extensions/ask"]);
    // A pipe that stays open: a program that reads from it would wait for ever.
    let child =
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut child = child;
    let input = child.stdin.take();
    let ended = Done::from(child.wait_with_output().unwrap());
    drop(input);
    ended.failed(&["nobody answers"]);
}

#[test]
fn a_failing_configuration_writes_nothing() {
    let definitions = with_copy();
    definitions.write(
        "systems/base.morph",
        "name: base\nkind: system\nconfiguration-extensions: [extensions/bad]\n",
    );
    definitions.script("extensions/bad.configure", "echo ERROR: no such manifest; exit 1");
    definitions.morph(&["deploy", "clusters/c.morph"]).failed(&["extensions/bad.configure failed"]);
    assert!(!definitions.path("out").exists());
}

#[test]
fn artifacts_that_are_not_there_or_not_whole() {
    let definitions = with_copy();
    fs::remove_dir_all(definitions.path("artifacts")).unwrap();
    definitions
        .morph(&["deploy", "clusters/c.morph"])
        .failed(&["there is no artifact base in", "run morph build systems/base.morph"]);
    let checked = definitions.morph(&["check", "clusters/c.morph"]).succeeded();
    let not_yet = "self: checked; it cannot be deployed yet: there is no artifact base in ";
    assert!(checked.stdout.contains(not_yet), "{}", checked.stdout);
    assert!(!definitions.path("artifacts").exists(), "a check changes nothing");
    fs::create_dir_all(definitions.path("artifacts/base")).unwrap();
    definitions.morph(&["deploy", "clusters/c.morph"]).failed(&["artifacts/base: the artifact is empty"]);
    definitions.write("artifacts/base.tar", "not a tar");
    definitions.morph(&["deploy", "clusters/c.morph"]).failed(&["are both artifacts of base; remove one"]);
    assert!(!definitions.path("out").exists());
}

#[test]
fn what_a_check_refuses_is_not_begun() {
    let definitions = with_copy();
    definitions.script(
        "extensions/copy.check",
        "echo \"ERROR: $1 has a version labelled $VERSION_LABEL already\"; exit 1",
    );
    for command in ["check", "deploy"] {
        definitions
            .morph(&[command, "clusters/c.morph", "self.VERSION_LABEL=devel"])
            .failed(&["self: failed: extensions/copy.check failed with exit code 1: out has a version labelled devel already"]);
    }
    assert!(!definitions.path("out").exists());
}
