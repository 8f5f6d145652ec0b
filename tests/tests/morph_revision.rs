//! `morph deploy` says from which revision of the definitions versions are.
//!
//! Pace: seconds

use std::fs;
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::run;

#[test]
fn versions_say_from_which_revision_they_are() {
    let definitions = Definitions::new();
    definitions.script("extensions/keep.write", "printf '%s' \"${VERSION_REVISION-}\" >\"$2\"");
    definitions.cluster(&["x: {type: keep, location: out}"]);
    let revision = |variable: &[(&str, &str)]| {
        let mut deploy = definitions.command(&["deploy", "clusters/c.morph"]);
        let done = run(deploy.envs(variable.iter().copied())).succeeded();
        (definitions.read("out"), done.stderr.contains("do not say from which revision"))
    };
    assert_eq!(revision(&[]), (String::new(), false), "nothing keeps the repository");
    let root = definitions.root();
    let git = |words: &str| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&root).args(["-c", "user.name=x", "-c", "user.email=x@y"]).args(words.split(' '));
        run(&mut git).ok()
    };
    fs::remove_dir(root.join(".git")).unwrap();
    git("init -q");
    assert_eq!(revision(&[]), (String::new(), true), "there is no commit yet");
    fs::write(root.join(".gitignore"), "out\n").unwrap();
    git("add .");
    git("commit -qm first");
    let first = git("rev-parse --short=12 HEAD").trim().to_owned();
    assert_eq!(revision(&[]), (first, false));
    git("tag -am v1 v1");
    assert_eq!(revision(&[]), ("v1".into(), false));
    definitions.write("clusters/other.morph", "kind: cluster\n");
    definitions.write("systems/base.morph", "name: base\nkind: system\nconfiguration-extensions: []\n# 2\n");
    assert_eq!(revision(&[]), ("v1-dirty".into(), false));
    assert_eq!(revision(&[("VERSION_REVISION", "mine")]), ("mine".into(), false));
    definitions.cluster(&["x: {type: keep, location: out, VERSION_REVISION: r7}"]);
    assert_eq!(revision(&[]), ("r7".into(), false));
}
