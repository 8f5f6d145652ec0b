//! The history: what was done to the versions of a volume, when, and by whom.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::io::Write;

use baserock_tests::image::Image;
use baserock_tests::programs::{command, run};
use baserock_tests::schema;
use baserock_tests::version::{factory_image, manage};
use serde_json::Value;

const FILE: &str = ".baserock/history.jsonl";

fn by_joe(image: &Image, arguments: &[&str]) {
    let mut program = command("system-version-manager");
    program.arg("--volume").arg(image.path()).args(arguments).env("SUDO_USER", "joe");
    run(&mut program).ok();
}

fn events(image: &Image, arguments: &[&str]) -> Vec<Value> {
    let printed = manage(image, &[&["history", "--json"], arguments].concat()).ok();
    assert_eq!(schema::faults("history", &printed), [""; 0], "{printed}");
    serde_json::from_str(&printed).unwrap()
}

fn told(events: &[Value]) -> Vec<String> {
    let word = |event: &Value, field: &str| event[field].as_str().unwrap_or("-").to_owned();
    events
        .iter()
        .map(|event| ["event", "label", "from", "by"].map(|field| word(event, field)).join(" "))
        .collect()
}

#[test]
fn all_that_is_done_is_told_in_order() {
    let image = factory_image(512);
    by_joe(&image, &["copy", "factory", "first"]);
    by_joe(&image, &["rename", "first", "second"]);
    by_joe(&image, &["set-default", "second"]);
    by_joe(&image, &["set-default", "second"]);
    by_joe(&image, &["set-default", "factory"]);
    by_joe(&image, &["remove", "second"]);
    let all = events(&image, &[]);
    let expected = [
        "deployed factory - -",
        "copied first factory joe",
        "renamed second first joe",
        "default-set second - joe",
        "default-set factory - joe",
        "removed second - joe",
    ];
    assert_eq!(told(&all), expected);
    assert_eq!(told(&events(&image, &["first"])), expected[1..3]);
    assert_eq!(told(&events(&image, &["nobody"])), [""; 0]);
    let table = manage(&image, &["history"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("TIME (UTC)") && lines.len() == 7, "{table}");
    assert!(lines[3].contains("  renamed      second   joe  it was first"), "{table}");
    // What only looks is not told.
    manage(&image, &["list"]).ok();
    manage(&image, &["set-default", "factory", "--dry-run"]).ok();
    assert_eq!(events(&image, &[]).len(), 6);
}

#[test]
fn a_torn_line_hides_only_itself() {
    let image = factory_image(256);
    by_joe(&image, &["copy", "factory", "first"]);
    let mounted = image.mount("subvolid=5");
    let mut file = File::options().append(true).open(mounted.path().join(FILE)).unwrap();
    file.write_all(b"{\"time\":\"2026-").unwrap();
    drop((file, mounted));
    by_joe(&image, &["remove", "first"]);
    assert_eq!(
        told(&events(&image, &[])),
        ["deployed factory - -", "copied first factory joe", "removed first - joe"]
    );
}

#[test]
fn the_file_stays_small() {
    let image = factory_image(256);
    let mounted = image.mount("subvolid=5");
    let line = "{\"time\":\"t\",\"event\":\"removed\",\"label\":\"old\"}\n";
    fs::write(mounted.path().join(FILE), line.repeat((1 << 20) / line.len() + 1)).unwrap();
    drop(mounted);
    by_joe(&image, &["copy", "factory", "first"]);
    let mounted = image.mount("subvolid=5");
    let length = fs::metadata(mounted.path().join(FILE)).unwrap().len();
    assert!((1 << 18..6 << 17).contains(&length), "{length}");
    drop(mounted);
    let all = events(&image, &[]);
    assert_eq!(told(&all[all.len() - 2..]), ["removed old - -", "copied first factory joe"]);
}
