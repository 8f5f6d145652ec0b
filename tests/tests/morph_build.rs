//! `morph build` and `morph gc`, and artifacts that are archives.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use baserock_tests::definitions::Definitions;

/// A repository whose system `systems/made.morph` is built by counting its builds.
fn buildable() -> Definitions {
    let definitions = Definitions::new();
    definitions.write(
        "systems/made.morph",
        "name: made\nkind: system\nbuild: {type: extensions/count, LIST: lists/packages, inputs: overlay}\n",
    );
    definitions.write("lists/packages", "one\n");
    definitions.write("overlay/etc/motd", "hello\n");
    definitions.script(
        "extensions/count.build",
        "echo x >>builds; mkdir \"$1/etc\"; cp \"$LIST\" \"$1/etc/list\"; cp overlay/etc/motd \"$1/etc\"",
    );
    definitions
}

fn builds(definitions: &Definitions) -> usize {
    definitions.read("builds").lines().count()
}

#[test]
fn a_system_is_built_again_only_where_something_changed() {
    let definitions = buildable();
    let first = definitions.morph(&["build", "systems/made"]).succeeded();
    assert!(first.stdout.ends_with("made: built\n"), "{}", first.stdout);
    let second = definitions.morph(&["build", "systems/made.morph"]).succeeded();
    assert_eq!(second.stdout, "made: up to date\n");
    assert_eq!(definitions.read("artifacts/made/etc/list"), "one\n");
    let changes: [&dyn Fn(); 5] = [
        &|| definitions.write("lists/packages", "one\ntwo\n"),
        &|| definitions.write("overlay/etc/motd", "changed\n"),
        &|| symlink("motd", definitions.path("overlay/etc/link")).unwrap(),
        &|| {
            definitions.write(
                "systems/made.morph",
                &definitions.read("systems/made.morph").replace("LIST", "A: b, LIST"),
            );
        },
        &|| definitions.script("extensions/count.build", &definitions.read("extensions/count.build")),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        change();
        definitions.done(&["build", "systems/made"]);
        assert_eq!(builds(&definitions), index + 2);
    }
    definitions.done(&["build", "systems/made"]);
    assert_eq!(builds(&definitions), 6);
    definitions.write("unrelated", "x");
    let configured = format!(
        "{}configuration-extensions: [extensions/set-hostname]\n",
        definitions.read("systems/made.morph")
    );
    definitions.write("systems/made.morph", &configured);
    definitions.done(&["build", "systems/made"]);
    assert_eq!(builds(&definitions), 6);
    for again in ["--force", "--pull"] {
        let built = definitions.morph(&["build", again, "systems/made"]).succeeded();
        assert!(built.stdout.ends_with("made: built\n"), "{}", built.stdout);
    }
    assert_eq!(builds(&definitions), 8);
    assert_eq!(definitions.read("artifacts/.gitignore"), "*\n");
}

#[test]
fn artifacts_are_for_their_owner() {
    let definitions = buildable();
    let mode = |path: &str| fs::metadata(definitions.path(path)).unwrap().permissions().mode() & 0o777;
    let build =
        |folder: &str| definitions.morph(&["build", "systems/made", "--artifacts", folder]).succeeded();
    assert_eq!(build("fresh").stderr, "");
    assert_eq!((mode("fresh"), mode("fresh/.morph")), (0o700, 0o700));
    fs::create_dir(definitions.path("open")).unwrap();
    fs::set_permissions(definitions.path("open"), fs::Permissions::from_mode(0o755)).unwrap();
    let open = build("open");
    assert!(
        open.stderr.contains("every user reaches") && open.stderr.contains("chmod 700"),
        "{}",
        open.stderr
    );
    assert_eq!(mode("open"), 0o755);
}

#[test]
fn a_link_that_a_parameter_names_stands_for_its_target() {
    let definitions = buildable();
    fs::remove_file(definitions.path("lists/packages")).unwrap();
    definitions.write("elsewhere", "one\n");
    symlink("../elsewhere", definitions.path("lists/packages")).unwrap();
    definitions.done(&["build", "systems/made"]);
    definitions.write("elsewhere", "two\n");
    definitions.done(&["build", "systems/made"]);
    assert_eq!(definitions.read("artifacts/made/etc/list"), "two\n");
}

#[test]
fn the_artifact_before_is_kept_also_where_a_build_fails() {
    let definitions = buildable();
    definitions.done(&["build", "systems/made"]);
    definitions.write("lists/packages", "two\n");
    definitions.done(&["build", "systems/made"]);
    assert_eq!(definitions.read("artifacts/made/etc/list"), "two\n");
    assert_eq!(definitions.read("artifacts/.morph/previous/made/etc/list"), "one\n");
    for (script, why) in
        [("echo half >\"$1/half\"; echo ERROR: no network; exit 1", "no network"), ("true", "made nothing")]
    {
        definitions.script("extensions/count.build", script);
        definitions.morph(&["build", "systems/made"]).failed(&["morph: ", why]);
        assert_eq!(definitions.read("artifacts/made/etc/list"), "two\n");
    }
    let left: Vec<_> =
        fs::read_dir(definitions.path("artifacts/.morph")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn a_deployment_of_an_artifact_that_is_out_of_date_says_so() {
    let definitions = buildable();
    definitions.script("extensions/none.write", "true");
    definitions.write(
        "clusters/c.morph",
        "kind: cluster\nsystems: [{morph: systems/made, deploy: {a: {type: extensions/none, location: x}}}]\n",
    );
    definitions.done(&["build", "systems/made"]);
    assert_eq!(definitions.morph(&["deploy", "clusters/c.morph"]).succeeded().stderr, "");
    definitions.write("overlay/etc/motd", "changed\n");
    let ended = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
    let note = "a: note: what systems/made is built from has changed since; morph build systems/made brings it up to date\n";
    assert_eq!(ended.stderr, note);
}

#[test]
fn what_cannot_be_built_says_why() {
    let definitions = buildable();
    definitions
        .morph(&["build", "systems/base"])
        .failed(&["systems/base.morph has no build extension", "base.tar"]);
    definitions.morph(&["build", "systems/none"]).failed(&["systems/none.morph: No such file or directory"]);
    definitions.write("artifacts/made.tar", "");
    definitions
        .morph(&["build", "systems/made"])
        .failed(&["made.tar is there already and was not built here"]);
    fs::remove_file(definitions.path("artifacts/made.tar")).unwrap();
    fs::remove_dir_all(definitions.path("overlay")).unwrap();
    definitions.morph(&["build", "systems/made"]).failed(&["input overlay is not in the repository"]);
}

#[test]
fn gc_removes_what_no_cluster_names() {
    let definitions = buildable();
    definitions.script("extensions/none.write", "true");
    definitions.write(
        "clusters/c.morph",
        "kind: cluster\nsystems: [{morph: systems/made, deploy: {a: {type: extensions/none, location: x}}}]\n",
    );
    definitions.done(&["build", "systems/made"]);
    definitions.done(&["gc"]);
    assert!(definitions.path("artifacts/made").exists());
    fs::remove_file(definitions.path("clusters/c.morph")).unwrap();
    fs::create_dir_all(definitions.path("artifacts/.morph/morph-work-killed/tree/etc")).unwrap();
    let planned = definitions.morph(&["gc", "--dry-run"]).succeeded();
    assert_eq!(planned.stdout, "made: would be removed\n");
    definitions.done(&["gc"]);
    for gone in ["artifacts/made", "artifacts/.morph/made.json", "artifacts/.morph/morph-work-killed"] {
        assert!(!definitions.path(gone).exists(), "{gone}");
    }
    assert!(definitions.path("artifacts/base").exists(), "what was put there by hand stays");
}

#[test]
fn gc_removes_nothing_where_a_cluster_cannot_be_read() {
    let definitions = buildable();
    definitions.done(&["build", "systems/made"]);
    definitions.write("clusters/bad.morph", "kind: cluster\nsystems: [{morph: systems/gone}]\n");
    definitions.morph(&["gc"]).failed(&["systems/gone.morph"]);
    assert!(definitions.path("artifacts/made").exists());
}

#[test]
fn archives_are_artifacts_too() {
    let definitions = Definitions::new();
    definitions.script("extensions/show.write", "cat \"$1/etc/os-release\"");
    definitions.cluster(&["self: {type: extensions/show, location: x}"]);
    definitions.write("artifacts/base/usr/share/words", &"many words ".repeat(10_000));
    for (ending, option) in
        [("tar", "--no-auto-compress"), ("tar.gz", "-z"), ("tar.xz", "-J"), ("tar.zst", "--zstd")]
    {
        let tree = definitions.path("artifacts/base");
        let archive = definitions.path(&format!("artifacts/base.{ending}"));
        let status =
            Command::new("tar").arg(option).arg("-C").arg(&tree).arg("-cf").arg(&archive).arg(".").status();
        assert!(status.unwrap().success());
        let aside = definitions.path("artifacts/aside");
        fs::rename(&tree, &aside).unwrap();
        let ended = definitions.morph(&["deploy", "clusters/c.morph"]).succeeded();
        assert!(ended.stdout.contains("self: ID=base\n"), "{ending}: {}", ended.stdout);
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 3]).unwrap();
        definitions
            .morph(&["deploy", "clusters/c.morph"])
            .failed(&["self: failed: ", &format!("base.{ending}")]);
        assert!(definitions.left_over().is_empty());
        fs::remove_file(&archive).unwrap();
        fs::rename(&aside, &tree).unwrap();
    }
}

#[test]
fn extensions_are_listed_and_explained() {
    let definitions = buildable();
    definitions.installed_script("rawdisk.write", "true");
    definitions.installed_script("rawdisk.check", "true");
    fs::write(definitions.installed().join("rawdisk.write.help"), "help: |\n  Writes an image\n").unwrap();
    let list = definitions.morph(&["help-extensions"]).succeeded().stdout;
    let first: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(
        first,
        [["build", "extensions/count"], ["check", "extensions/rawdisk"], ["write", "extensions/rawdisk"]]
    );
    for name in ["rawdisk", "extensions/rawdisk", "rawdisk.write"] {
        let help = definitions.morph(&["help-extensions", name]).succeeded().stdout;
        assert_eq!(help, "extensions/rawdisk.write\n\nWrites an image\n\n");
    }
    definitions.morph(&["help-extensions", "rawdsk"]).failed(&["did you mean rawdisk?"]);
    definitions.morph(&["help-extensions", "count"]).failed(&["count brings no help"]);
}
