//! A push with every step of the agent on the target failing, in every way, and a fetch from a repository: the volume stays sound, and the same
//! then succeeds.
//!
//! Pace: minutes

use std::fs;

use baserock_tests::image::Image;
use baserock_tests::next;
use baserock_tests::operations::{FETCH, LABEL, Operation, PUSH};
use baserock_tests::soundness::{Existing, Place, Times};
use baserock_tests::steps::{self, FAIL, How, STEPS, Step};
use baserock_tests::trees::Trees;
use baserock_tests::version::{assert_identical, manage};

const BEFORE: &str = "factory (default)\n";
const CHOSEN: &str = "devel (default)\nfactory\n";
/// Deployed, and not chosen.
const DEPLOYED: &str = "devel\nfactory (default)\n";

/// The agent's steps are numbered from its start.
fn list(volume: &Image, trees: &Trees) -> Vec<Step> {
    let image = volume.copy();
    PUSH.run(trees, &image.path(), &[(STEPS, "/var/steps")]).ok();
    steps::parse(&fs::read_to_string(image.mount("subvolid=5").path().join("state/var/steps")).unwrap())
}

/// Returns the faults.
fn try_one(
    operation: &Operation,
    volume: &Image,
    before: &Existing,
    trees: &Trees,
    step: &Step,
    how: How,
) -> Vec<String> {
    let image = volume.copy();
    let after = if operation.is_push() { CHOSEN } else { DEPLOYED };
    let mut faults = Vec::new();
    let done = operation.run(trees, &image.path(), &[(FAIL, &how.of(step.number))]);
    // A sender hears that the agent has failed, and the main thread that another one has.
    if !matches!(done.code, 0 | 1) && !how.allows(done.code) {
        faults.push(format!("exit code {}", done.code));
    }
    let listed = manage(&image, &["list"]).ok();
    let expected: &[&str] = if done.code == 0 { &[after] } else { &[BEFORE, DEPLOYED, after] };
    if !expected.contains(&listed.as_str()) {
        faults.push(format!("the list is {listed:?}"));
    }
    {
        let mounted = image.mount("subvolid=5");
        faults.extend(Place::new(mounted.path()).faults());
        faults.extend(before.harm(mounted.path(), operation.touched, Times::OfDirectoriesDiffer));
    }
    image.wait_until_detached();
    let again = operation.run(trees, &image.path(), &[]);
    if again.code != 0 {
        faults.push(format!("the same again: {}", again.stderr.trim()));
    }
    if !operation.is_push() {
        // What was complete is left alone, and tidied up by the next operation.
        manage(&image, &["set-default", "factory"]).ok();
    }
    let listed = manage(&image, &["list"]).ok();
    if listed != after {
        faults.push(format!("after the same again the list is {listed:?}"));
    }
    let mounted = image.mount("subvolid=5");
    if again.code == 0 {
        assert_identical(mounted.path(), LABEL, &trees.second());
    }
    let place = Place::new(mounted.path());
    faults.extend([place.faults(), place.debris(&[])].concat());
    if faults.is_empty() {
        return faults;
    }
    vec![format!("{how:?} at {step}:\n  {}\n  it said: {}", faults.join("\n  "), done.stderr.trim())]
}

#[test]
fn push() {
    let trees = Trees::new();
    next::change(&trees.second(), 100_000);
    let volume = PUSH.image(&trees);
    let before = Existing::on(volume.mount("subvolid=5").path());
    let steps = list(&volume, &trees);
    // A push takes a second, so each kind of step fails in one way or two, in turn.
    let cases: Vec<_> = steps::sample(&steps, 32).into_iter().step_by(4).collect();
    steps::try_all(PUSH.name, cases, |step, how| try_one(&PUSH, &volume, &before, &trees, step, how));
}

#[test]
fn fetch() {
    let trees = Trees::new();
    next::change(&trees.second(), 100_000);
    let volume = FETCH.image(&trees);
    let before = Existing::on(volume.mount("subvolid=5").path());
    let whole = volume.copy();
    let steps = steps::list(&mut FETCH.command(&trees, &whole.path()), whole.place());
    let cases: Vec<_> = steps::sample(&steps, 16).into_iter().step_by(4).collect();
    steps::try_all(FETCH.name, cases, |step, how| try_one(&FETCH, &volume, &before, &trees, step, how));
}
