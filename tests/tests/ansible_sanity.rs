//! The collection for Ansible passes the sanity tests of Ansible, and its documents can be read.
//!
//! Pace: seconds

use std::fs;
use std::process::Command;

use baserock_tests::collection::Collection;
use baserock_tests::programs::run;

/// Sanity tests whose programs `ansible-test` would install from the network. Those that Debian has are run here by themselves.
const FROM_THE_NETWORK: [&str; 8] = [
    "ansible-doc",
    "changelog",
    "import",
    "pep8",
    "pylint",
    "runtime-metadata",
    "validate-modules",
    "yamllint",
];

/// Where the programs of the sanity tests are.
const SANITY: &str = "/usr/lib/python3/dist-packages/ansible_test/_util/controller/sanity";

/// One of these programs.
fn sanity(collection: &Collection, program: &str) -> Command {
    let mut command = collection.command("python3");
    command.arg(format!("{SANITY}/{program}"));
    command
}

#[test]
fn the_tests_that_ansible_brings_pass() {
    let collection = Collection::new();
    let mut test = collection.command("ansible-test");
    test.args(["sanity", "--python", "default"]);
    test.args(FROM_THE_NETWORK.iter().flat_map(|name| ["--skip-test", name]));
    let passed = run(test.env_remove("PYTHONPATH")).succeeded();
    assert!(passed.stdout.contains("Running sanity test \"compile\""), "{passed:?}");
}

#[test]
fn modules_are_as_their_documents_say() {
    let collection = Collection::new();
    let version = env!("CARGO_PKG_VERSION");
    for (folder, kind, count) in [("modules", "module", 4), ("inventory", "inventory", 1)] {
        let files = collection.files(".py");
        let files: Vec<_> =
            files.iter().filter(|path| path.starts_with(&format!("plugins/{folder}/"))).collect();
        assert_eq!(files.len(), count);
        let mut validate = sanity(&collection, "validate-modules/validate.py");
        validate.args(["--arg-spec", "--collection", "ansible_collections/baserock/system"]);
        validate.args(["--collection-version", version, "--plugin-type", kind]).args(&files);
        let paths = format!("{SANITY}/validate-modules:{}", collection.place().display());
        let said = run(validate.env("PYTHONPATH", paths));
        // As tests/sanity/ignore-2.14.txt has it: the licence is another one.
        let (known, faults): (Vec<_>, Vec<_>) =
            said.stdout.lines().partition(|line| line.contains(":0:0: Emissing-gplv3-license "));
        assert_eq!((faults, known.len()), (vec![], count), "{}", said.stderr);
    }
    for name in ["version", "facts", "fetch", "push", "cluster"] {
        let kind = if name == "cluster" { "inventory" } else { "module" };
        let name = format!("baserock.system.{name}");
        let text = run(collection.command("ansible-doc").args(["--type", kind, &name])).ok();
        assert!(text.starts_with(&format!("> {} ", name.to_uppercase())), "{text}");
        assert!(text.contains("EXAMPLES"), "{text}");
    }
    let place = collection.place().join("installed");
    let mut install = collection.command("ansible-galaxy");
    let _installed = run(install.args(["collection", "install", "."]).arg("-p").arg(&place)).succeeded();
    let installed = fs::read_dir(place.join("ansible_collections/baserock/system")).unwrap();
    let mut names: Vec<_> = installed.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["FILES.json", "MANIFEST.json", "README.md", "meta", "playbooks", "plugins", "roles"]);
    let galaxy = fs::read_to_string(collection.path().join("galaxy.yml")).unwrap();
    assert!(galaxy.contains(&format!("\nversion: {version}\n")), "{galaxy}");
}

#[test]
fn yaml_and_python_are_in_good_style() {
    let collection = Collection::new();
    let (yaml, python) = (collection.files(".yml"), collection.files(".py"));
    let documented = python.iter().filter(|path| path.starts_with("plugins/modules/"));
    let mut lint = sanity(&collection, "yamllint/yamllinter.py");
    let linted = run(lint.args(yaml).args(documented)).ok();
    assert_eq!(linted.split_whitespace().collect::<String>(), r#"{"messages":[]}"#);
    let mut runtime = sanity(&collection, "code-smell/runtime-metadata.py");
    assert_eq!(run(runtime.arg("meta/runtime.yml")).ok(), "");

    let ignored = fs::read_to_string(format!("{SANITY}/pep8/current-ignore.txt")).unwrap();
    let ignored = ignored.lines().collect::<Vec<_>>().join(",");
    let mut style = collection.command("pycodestyle");
    let _styled = run(style.args(["--max-line-length", "160", "--ignore", &ignored, "."])).succeeded();
    let mut lint = collection.command("pylint");
    let rules = format!("{SANITY}/pylint/config/collection.cfg");
    let _linted = run(lint.args(["--rcfile", &rules, "plugins"])).succeeded();
}
