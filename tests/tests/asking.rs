//! What is said about versions: lists, tables, JSON, and how a volume stands.
//!
//! Pace: seconds

use std::fs;

use baserock_tests::image::Image;
use baserock_tests::programs::{self, Done, command, run};
use baserock_tests::running::Running;
use baserock_tests::schema;
use baserock_tests::version::{factory_image, manage, put_tree};
use serde_json::Value;

/// A volume with factory, the default, and devel, which has a note, a revision and another system.
fn volume() -> Image {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        let text = "PRETTY_NAME=\"Example 2 (second)\"\nNAME=Example\nVERSION_ID=2\n";
        fs::write(orig.join("etc/os-release"), text).unwrap();
        fs::create_dir_all(orig.join("usr/lib/modules/6.1.0-9-test")).unwrap();
    });
    let mut deploy = command("system-version-manager");
    deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/devel/orig"]);
    run(deploy.env("VERSION_NOTE", "ticket 12").env("VERSION_REVISION", "v2-3-gabc")).ok();
    image
}

#[track_caller]
fn json(name: &str, done: &Done) -> Value {
    assert!(done.code == 0 || done.code == 3, "{}", done.stderr);
    let faults = schema::faults(name, &done.stdout);
    assert!(faults.is_empty(), "{faults:?} in {}", done.stdout);
    serde_json::from_str(&done.stdout).unwrap()
}

#[test]
fn a_list_for_a_program_is_what_it_always_was() {
    let image = volume();
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
    assert_eq!(manage(&image, &["list", "-q"]).ok(), "devel\nfactory\n");
    assert_eq!(manage(&image, &["list", "--quiet", "--sort", "deployed"]).ok(), "devel\nfactory\n");
    manage(&image, &["copy", "factory", "again"]).ok();
    assert_eq!(manage(&image, &["list", "-q", "--sort", "deployed"]).ok(), "again\ndevel\nfactory\n");
    for wrong in [["--json", "--long"], ["-q", "--long"], ["--sort", "colour"]] {
        assert_eq!(manage(&image, &[&["list"], &wrong[..]].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_tree_shows_which_version_came_from_which() {
    let image = volume();
    let program = |locale: &str| {
        let mut list = command("system-version-manager");
        list.arg("--volume").arg(image.path()).args(["list", "--tree"]).env("LC_ALL", locale);
        run(&mut list).ok()
    };
    let tree = "factory  default  1\n`-- devel  Example 2 (second)  ticket 12\n";
    assert_eq!(program("C"), tree);
    assert_eq!(program("C.UTF-8"), tree.replace("`--", "└──"));
    assert_eq!(manage(&image, &["list", "--tree", "--json"]).code, 2);
}

#[test]
fn a_list_for_people_is_a_table() {
    let image = volume();
    manage(&image, &["pin", "devel"]).ok();
    let table = manage(&image, &["list", "--long"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(words(lines[0]), "LABEL MARKS DEPLOYED (UTC) SYSTEM KERNEL SIZE EXCLUSIVE REVISION NOTE");
    assert!(lines[1].starts_with("devel    pinned   20"), "{table}");
    assert!(words(lines[1]).contains("Example 2 (second) 6.1.0-9-test"), "{table}");
    assert!(words(lines[1]).ends_with("MiB v2-3-gabc ticket 12"), "{table}");
    assert!(lines[2].starts_with("factory  default  20"), "{table}");
    let bare = manage(&image, &["list", "--long", "--no-header"]).ok();
    assert_eq!(bare.lines().map(words).collect::<Vec<_>>(), [words(lines[1]), words(lines[2])]);
    // On a terminal it is the same, without sizes.
    let program = programs::path("system-version-manager");
    let line = format!("{} --volume {} list", program.display(), image.path().display());
    let shown = programs::shell("script", &["-qec", &line, "/dev/null"]).replace("\r\n", "\n");
    let shown: Vec<String> = shown.lines().map(words).collect();
    assert_eq!(shown[0], "\u{1b}[1mLABEL MARKS DEPLOYED (UTC) SYSTEM KERNEL REVISION NOTE\u{1b}[0m");
    assert!(shown[1].ends_with("6.1.0-9-test v2-3-gabc ticket 12"), "{shown:?}");
}

#[test]
fn json_has_all_that_is_known_as_the_schemas_say() {
    let image = volume();
    let list = json("list", &manage(&image, &["list", "--json"]));
    let devel = &list[0];
    for (field, value) in
        [("label", "devel"), ("note", "ticket 12"), ("revision", "v2-3-gabc"), ("kernel", "6.1.0-9-test")]
    {
        assert_eq!(devel[field], value, "{field}");
    }
    assert_eq!(devel["system"]["pretty_name"], "Example 2 (second)");
    assert_eq!((&devel["next"], &list[1]["next"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(devel["good"], Value::Null);
    let show = json("show", &manage(&image, &["show", "devel", "--json"]));
    assert_eq!(show["merged_from"], "factory");
    assert_eq!(show["kernel_args"], "");
    manage(&image, &["show", "none"]).refused(&["version none does not exist"]);

    // What cannot be read is named, and hides nothing.
    let mounted = image.mount("subvolid=5");
    fs::write(mounted.path().join("systems/devel/remarks.json"), "{").unwrap();
    drop(mounted);
    let list = json("list", &manage(&image, &["list", "--json"]));
    assert!(list[0]["faults"][0].as_str().unwrap().contains("remarks.json"), "{list}");
    let done = manage(&image, &["list", "--long"]).succeeded();
    assert!(
        done.stderr.contains("/systems/devel/remarks.json: not remarks about a version"),
        "{}",
        done.stderr
    );
    assert!(manage(&image, &["show", "devel"]).ok().contains("problem"));
}

#[test]
fn one_version_is_shown_with_everything() {
    let image = volume();
    let shown = manage(&image, &["show", "devel"]).ok();
    let lines: Vec<(&str, &str)> = shown
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(name, rest)| (name, rest.trim()))
        .collect();
    for pair in [
        ("label", "devel"),
        ("note", "ticket 12"),
        ("system", "Example 2 (second)"),
        ("revision", "v2-3-gabc"),
        ("kernel", "6.1.0-9-test"),
        ("/etc from", "factory"),
    ] {
        assert!(lines.contains(&pair), "{pair:?} is not in {shown}");
    }
}

#[test]
fn all_is_well_or_somebody_should_look() {
    let image = volume();
    let well = manage(&image, &["status"]).succeeded();
    assert!(well.stdout.contains("next   factory: it is the default of the boot menu\n"), "{}", well.stdout);
    assert!(
        well.stdout.contains("can be removed: devel\n") && well.stdout.contains("boot   sound\n"),
        "{}",
        well.stdout
    );
    assert_eq!(manage(&image, &["status", "--line"]).ok(), "system versions: factory boots next\n");
    let status = json("status", &manage(&image, &["status", "--json"]));
    assert_eq!(status["attention"], Value::Array(Vec::new()));

    // A conflict in what boots next, a late change, and a version that is not complete.
    let attention = |words: &[&str]| {
        let done = manage(&image, &["status", "--json"]);
        assert_eq!(done.code, 3, "{}", done.stdout);
        let status = json("status", &done);
        for words in words {
            let all = status["attention"].as_array().unwrap();
            assert!(
                all.iter().any(|found| found.as_str().unwrap().contains(words)),
                "{words} is not in {status}"
            );
        }
        status
    };
    let write = |path: &str, text: &str| {
        let mounted = image.mount("subvolid=5");
        fs::write(mounted.path().join(path), text).unwrap();
    };
    write("systems/factory/run/etc/os-release", "NAME=mine\n");
    put_tree(&image, "third", |orig| fs::write(orig.join("etc/os-release"), "NAME=theirs\n").unwrap());
    manage(&image, &["deploy", "/systems/third/orig"]).ok();
    manage(&image, &["set-default", "third"]).ok();
    let status = attention(&["/etc of third has open conflicts: os-release"]);
    assert_eq!(status["conflicts"][0]["label"], "third");
    let list = json("list", &manage(&image, &["list", "--json"]));
    assert_eq!(list[2]["conflicts"][0], "os-release");
    assert!(manage(&image, &["list", "--long"]).ok().contains("default,1-conflict"));
    // Whoever removes the rejected change has resolved the conflict.
    fs::remove_file(image.mount("subvolid=5").path().join("systems/third/run/etc/os-release.rej")).unwrap();
    assert_eq!(manage(&image, &["status"]).succeeded().stderr, "");
    write("systems/factory/run/etc/late", "late\n");
    attention(&["/etc of factory has changed since it was merged into third, which boots next: late"]);
    write("systems/devel/.incomplete", "");
    attention(&["devel is not complete: its deployment has not ended"]);
    let line = manage(&image, &["status", "--line"]);
    assert!(
        line.code == 3 && line.stdout.starts_with("system versions: third boots next; attention: "),
        "{line:?}"
    );
    assert_eq!(line.stdout.lines().count(), 1);
}

#[test]
fn a_running_system_says_what_runs_and_what_boots_next() {
    let image = volume();
    let system = Running::start(&image, "factory");
    let done = system.manage(&["status"]).succeeded();
    assert!(done.stdout.contains("running  factory\n"), "{}", done.stdout);
    system.manage(&["set-default", "devel"]).ok();
    assert_eq!(
        system.manage(&["status", "--line"]).stdout,
        "system versions: factory runs, devel boots next\n"
    );
    let top = system.top_level();
    fs::remove_file(top.path().join("systems/factory/kernel")).unwrap();
    let done = system.manage(&["status"]);
    assert!(done.code == 3 && done.stdout.contains("factory is not complete: it has no kernel"), "{done:?}");
}

#[test]
fn sizes_tell_what_becomes_free() {
    let image = volume();
    let mebibytes = |count: usize| -> Vec<u8> {
        let mut random = vec![0; count << 20];
        std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut random).unwrap();
        random
    };
    put_tree(&image, "large", |orig| fs::write(orig.join("built"), mebibytes(8)).unwrap());
    manage(&image, &["deploy", "/systems/large/orig"]).ok();
    fs::write(image.mount("subvolid=5").path().join("systems/large/run/own"), mebibytes(3)).unwrap();
    let sizes = || {
        let list = json("list", &manage(&image, &["list", "--json"]));
        let of = |label: &str, field: &str| {
            let versions = list.as_array().unwrap();
            versions.iter().find(|version| version["label"] == label).unwrap()[field].as_u64().unwrap()
        };
        (of("large", "size"), of("large", "exclusive"), of("factory", "exclusive"))
    };
    let (size, exclusive, of_factory) = sizes();
    assert!((11 << 20..12 << 20).contains(&exclusive) && size > exclusive, "{size} {exclusive}");
    assert!(of_factory < 1 << 20, "what versions share is no one's own: {of_factory}");
    let order = manage(&image, &["list", "-q", "--sort", "size"]).ok();
    assert!(order.starts_with("large\n"), "{order}");
    let table = manage(&image, &["list", "--long"]).ok();
    assert!(table.contains("EXCLUSIVE") && table.contains("12 MiB"), "{table}");
    assert!(manage(&image, &["show", "large"]).ok().contains("exclusive  12 MiB"));

    // A copy shares all of it.
    manage(&image, &["copy", "large", "twin"]).ok();
    assert!(sizes().1 < 1 << 20);
    manage(&image, &["remove", "twin"]).ok();
    assert_eq!(sizes().1, exclusive);

    // So much becomes free.
    let available = || {
        let status = json("status", &manage(&image, &["status", "--json"]));
        status["space"]["available"].as_u64().unwrap()
    };
    let before = available();
    manage(&image, &["remove", "large"]).ok();
    let freed = available() - before;
    assert!(freed.abs_diff(exclusive) < 1 << 20, "{freed} became free, and {exclusive} were promised");
}
