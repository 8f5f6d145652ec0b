//! What the sender keeps of a push makes the next one small, and nothing depends on it.
//!
//! Pace: minutes

use std::fs;
use std::path::{Path, PathBuf};

use baserock_tests::image::Image;
use baserock_tests::programs::shell;
use baserock_tests::ssh::{Target, logged};
use baserock_tests::version::factory_image;
use tempfile::TempDir;

/// A machine, and a tree to push there that is changed between pushes.
struct Case {
    target: Target,
    place: TempDir,
    _image: Image,
}

impl Case {
    fn new() -> Self {
        let image = factory_image(3072);
        let target = Target::start(&image, "factory");
        let case = Case { target, place: tempfile::tempdir().unwrap(), _image: image };
        let source = baserock_tests::inputs::busybox().unwrap();
        shell("cp", &["-a", source.to_str().unwrap(), case.tree().to_str().unwrap()]);
        // Of the kind of which nothing is left for a delta when a byte in each of its blocks has changed.
        let numbers: Vec<String> = (0..300_000).map(|number| format!("{number:08x}")).collect();
        fs::write(case.tree().join("large"), numbers.join("\n")).unwrap();
        case
    }

    fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    fn change(&self) {
        let text = fs::read_to_string(self.tree().join("large")).unwrap();
        fs::write(self.tree().join("large"), text.replace("0\n", "1\n")).unwrap();
    }

    /// Pushes with a log; returns its lines about answers.
    fn push(&self, label: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let text = logged(self.target.push(&self.tree(), label).envs(variables.iter().copied()));
        self.assert_identical(label);
        assert!(text.contains(&format!("version {label} is complete")), "{text}");
        text.lines().filter(|line| line.contains("answer: ")).map(str::to_owned).collect()
    }

    fn assert_identical(&self, label: &str) {
        let top = self.target.system.top_level();
        let orig = top.path().join("systems").join(label).join("orig");
        shell("diff", &["-r", "--no-dereference", self.tree().to_str().unwrap(), orig.to_str().unwrap()]);
    }

    fn kept(&self) -> PathBuf {
        self.target.cache().join("baserock/contents")
    }

    /// The files that are kept, and their bytes together.
    fn contents(&self) -> (Vec<PathBuf>, u64) {
        let paths = fs::read_dir(self.kept()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let paths: Vec<PathBuf> = paths.filter(|path| !path.ends_with("last")).collect();
        let bytes = paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        (paths, bytes)
    }
}

/// Contents are kept.
const WANTED: (&str, &str) = ("PUSH_CACHE", "1G");

fn is_with_own(line: &str) -> bool {
    !line.contains("with 0 pieces of the sender's own")
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn the_next_push_uses_what_the_last_one_brought() {
    let case = Case::new();
    let first = case.push("v2", &[WANTED]);
    assert!(!first.is_empty() && !first.iter().any(|line| is_with_own(line)), "{first:?}");
    case.change();
    let second = case.push("v3", &[WANTED]);
    assert!(second.iter().all(|line| is_with_own(line)), "{second:?}");
}

#[test]
fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
    let case = Case::new();
    let limit = size_of(&case.tree().join("large")) + size_of(&case.tree().join("bin/busybox")) + 100_000;
    let limit_text = limit.to_string();
    case.push("v2", &[("PUSH_CACHE", &limit_text)]);
    let (before, _) = case.contents();
    case.change();
    case.push("v3", &[("PUSH_CACHE", &limit_text)]);
    let (after, bytes) = case.contents();
    assert!(bytes <= limit, "{bytes} > {limit}");
    assert_eq!(before.len(), after.len(), "the new content took the place of the old one");
    assert_ne!(before, after);
    case.push("v4", &[("PUSH_CACHE", "0")]);
}

#[test]
fn nothing_is_kept_where_nobody_wants_it() {
    let case = Case::new();
    case.push("v2", &[]);
    assert!(!case.kept().exists());
}

#[test]
fn a_kept_content_that_is_damaged_does_no_harm() {
    let case = Case::new();
    case.push("v2", &[WANTED]);
    case.change();
    // What is under the name of the old content is the new one: the worst that damage can do.
    let large = case.tree().join("large");
    for path in case.contents().0.iter().filter(|path| size_of(path) == size_of(&large)) {
        fs::copy(&large, path).unwrap();
    }
    let answers = case.push("v3", &[WANTED]);
    assert!(answers.iter().any(|line| is_with_own(line)), "{answers:?}");
    assert!(!answers.iter().all(|line| is_with_own(line)), "asked for again: {answers:?}");
}
