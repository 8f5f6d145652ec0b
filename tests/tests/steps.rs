//! Every operation with every one of its steps failing, in every way: the volume stays sound, what was begun is undone, and the same
//! operation then succeeds.
//!
//! Pace: minutes

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use baserock_tests::image::{Image, Mounted};
use baserock_tests::operations::{self, LABEL, Operation};
use baserock_tests::programs::run;
use baserock_tests::soundness::{Existing, Place, Times};
use baserock_tests::steps::{self, How, Step};
use baserock_tests::trees::Trees;
use baserock_tests::version::manage;

/// What is the same for all cases of an operation.
struct Expected {
    trees: Trees,
    volume: Image,
    before: Existing,
    after: Existing,
    list_before: String,
    list_after: String,
}

impl Expected {
    /// Whether these are the versions of before and of afterwards together, one of them the default.
    fn has_both(&self, list: &str) -> bool {
        let label = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let both: BTreeSet<String> =
            self.list_before.lines().chain(self.list_after.lines()).map(label).collect();
        list.matches(" (default)").count() == 1 && list.lines().map(label).eq(both)
    }

    /// What is listed when a version was added and not chosen.
    fn list_halfway(&self) -> String {
        let mut lines: Vec<&str> = self.list_before.lines().chain([LABEL]).collect();
        lines.sort_unstable();
        lines.join("\n") + "\n"
    }
}

/// Runs the operation with each of these steps failing.
fn try_all(operation: &Operation, every: usize) {
    try_some(operation, every, 1);
}

/// The same with one case in `of`: for an operation that does nearly what another one does, so that each kind of step fails in a way or two.
fn try_some(operation: &Operation, every: usize, of: usize) {
    let trees = Trees::new();
    let volume = operation.image(&trees);
    let (before, list_before) = look(&volume, operation.unfinished());
    let whole = volume.copy();
    let steps = steps::list(&mut operation.command(&trees, &whole.path()), whole.place());
    let (after, list_after) = look(&whole, &[]);
    let expected = Expected { trees, volume, before, after, list_before, list_after };
    let cases = steps::sample(&steps, every).into_iter().step_by(of).collect();
    steps::try_all(operation.name, cases, |step, how| try_one(operation, &expected, step, how));
}

fn look(image: &Image, unfinished: &[&str]) -> (Existing, String) {
    let list = manage(image, &["list"]).ok();
    let (mounted, boot) = (image.mount("subvolid=5"), image.mount_boot());
    let place = place(&mounted, boot.as_ref());
    let found = [place.faults(), place.debris(unfinished)].concat();
    assert!(found.is_empty(), "{found:?}");
    (Existing::on(mounted.path()), list)
}

fn place<'a>(mounted: &'a Mounted, boot: Option<&'a Mounted>) -> Place<'a> {
    Place { top: mounted.path(), boot: boot.unwrap_or(mounted).path() }
}

/// Returns the faults.
fn try_one(operation: &Operation, expected: &Expected, step: &Step, how: How) -> Vec<String> {
    let image = expected.volume.copy();
    let command = || operation.command(&expected.trees, &image.path());
    let done = steps::fail(&mut command(), step.number, how);
    let mut faults = Vec::new();
    if !how.allows(done.code) {
        faults.push(format!("exit code {}", done.code));
    }
    if !detaches(&image) {
        faults.push("a loop device stays".into());
        return told(operation, step, how, &done.stderr, faults);
    }
    let list = manage(&image, &["list"]).ok();
    let is_between = operation.renames() && done.code != 0 && expected.has_both(&list);
    let halfway = operation.chooses_what_it_adds() && done.code != 0 && list == expected.list_halfway();
    if !halfway
        && !is_between
        && list != expected.list_after
        && (list != expected.list_before || done.code == 0)
    {
        faults.push(format!("the list is {list:?}"));
    }
    // What cannot be tidied up is named, and left to the next operation.
    let named = ["left behind: ", "undo: cannot "].iter().any(|words| done.stderr.contains(words));
    let tidying = ["remove ", "delete ", "change access "].iter().any(|word| step.what.starts_with(word));
    let gave_up = named || !how.lets_undo() || (tidying && how == How::Panic);
    let cleared = done.code == 0 && !named || !(gave_up || operation.removes());
    let is_after = list == expected.list_after && list != expected.list_before;
    let unfinished = if done.code == 0 || is_after { &[] } else { operation.unfinished() };
    let times = if how.lets_undo() { Times::Kept } else { Times::OfDirectoriesDiffer };
    faults.extend(look_again(operation, &image, expected, cleared.then_some(unfinished), times));
    if !detaches(&image) {
        faults.push("a loop device stays".into());
    }

    let again = if halfway { manage(&image, &["set-default", LABEL]) } else { run(&mut command()) };
    let is_refused = is_after && operation.refusal.is_some_and(|words| again.stderr.contains(words));
    if again.code != 0 && !is_refused {
        faults.push(format!("the same again: {}", again.stderr.trim()));
    }
    // What was done already is refused, without repairing anything: the next operation does.
    if is_refused {
        let default = manage(&image, &["get-default"]).ok();
        manage(&image, &["set-default", default.trim()]).ok();
    }
    let list = manage(&image, &["list"]);
    let said = list.stderr.lines().any(|line| !line.starts_with("trial of "));
    if list.stdout != expected.list_after || said {
        faults.push(format!("after the same again the list is {:?} {}", list.stdout, list.stderr));
    }
    faults.extend(
        look_again(operation, &image, expected, Some(&[]), times)
            .into_iter()
            .map(|fault| format!("in the end: {fault}")),
    );
    let existing = Existing::on(image.mount("subvolid=5").path());
    faults.extend(
        existing.differences(&expected.after).into_iter().map(|fault| format!("in the end: {fault}")),
    );
    told(operation, step, how, &done.stderr, faults)
}

fn told(operation: &Operation, step: &Step, how: How, stderr: &str, faults: Vec<String>) -> Vec<String> {
    if faults.is_empty() {
        return faults;
    }
    vec![format!(
        "{}: {how:?} at {step}:\n  {}\n  it said: {}",
        operation.name,
        faults.join("\n  "),
        stderr.trim()
    )]
}

/// What is wrong on the volume; debris too, where there may be none but the `orig` of these versions.
fn look_again(
    operation: &Operation,
    image: &Image,
    expected: &Expected,
    cleared: Option<&[&str]>,
    times: Times,
) -> Vec<String> {
    let (mounted, boot) = (image.mount("subvolid=5"), image.mount_boot());
    let (top, place) = (mounted.path(), place(&mounted, boot.as_ref()));
    let mut faults = place.faults();
    faults.extend(expected.before.harm(top, operation.touched, times));
    for label in operation.touched {
        let is_whole = expected.before.has_etc(top, label) || expected.after.has_etc(top, label);
        if top.join("systems").join(label).join("run").exists()
            && !top.join("systems").join(label).join(".incomplete").exists()
            && !is_whole
        {
            faults.push(format!("/etc of {label} is neither the old nor the new one"));
        }
    }
    if let Some(unfinished) = cleared {
        faults.extend(place.debris(unfinished));
    }
    faults
}

/// The kernel detaches a device when the last process that had it mounted is gone, a moment after that.
fn detaches(image: &Image) -> bool {
    let begun = Instant::now();
    while !image.is_detached() {
        if begun.elapsed() > Duration::from_secs(30) {
            return false;
        }
    }
    true
}

#[test]
fn deploy() {
    try_all(&operations::DEPLOY, 4);
}

#[test]
fn set_default() {
    try_all(&operations::SET_DEFAULT, 1);
}

#[test]
fn set_default_with_a_merge() {
    try_all(&operations::SET_DEFAULT_MERGE, 4);
}

#[test]
fn try_once() {
    try_all(&operations::TRY, 1);
}

#[test]
fn try_what_came_back() {
    try_some(&operations::TRY_BACK, 1, 4);
}

#[test]
fn abandon() {
    try_all(&operations::ABANDON, 1);
}

#[test]
fn try_and_abandon_with_grub() {
    try_some(&operations::TRY.with_esp("try-esp"), 1, 2);
    try_some(&operations::ABANDON.with_esp("abandon-esp"), 1, 2);
}

#[test]
fn abandon_what_came_back() {
    try_some(&operations::ABANDON_BACK, 1, 4);
}

#[test]
fn confirm() {
    try_all(&operations::CONFIRM, 1);
}

#[test]
fn confirm_with_a_boot() {
    try_some(&operations::CONFIRM.with_boot("confirm-boot"), 1, 4);
}

#[test]
fn finish() {
    try_all(&operations::FINISH, 4);
}

#[test]
fn remove() {
    try_all(&operations::REMOVE, 2);
}

#[test]
fn rename() {
    try_all(&operations::RENAME, 8);
    try_some(&operations::RENAME_DEFAULT, 16, 4);
}

#[test]
fn copy() {
    try_all(&operations::COPY, 8);
}

#[test]
fn import() {
    try_some(&operations::IMPORT, 8, 4);
}

#[test]
fn prune() {
    try_all(&operations::PRUNE, 8);
}

#[test]
fn pin_and_unpin() {
    try_all(&operations::PIN, 1);
    try_some(&operations::UNPIN, 1, 4);
}

#[test]
fn note() {
    try_some(&operations::NOTE, 1, 4);
}

#[test]
fn resolve() {
    try_all(&operations::RESOLVE, 4);
}

#[test]
fn merge() {
    try_all(&operations::MERGE, 4);
}

#[test]
fn sync() {
    try_all(&operations::SYNC, 4);
}

#[test]
fn rawdisk_upgrade() {
    try_all(&operations::UPGRADE, 6);
}

#[test]
fn deploy_with_a_boot() {
    try_all(&operations::DEPLOY_BOOT, 16);
}

#[test]
fn set_default_with_a_boot() {
    try_all(&operations::SET_DEFAULT_BOOT, 1);
}

#[test]
fn remove_with_a_boot() {
    try_all(&operations::REMOVE_BOOT, 8);
}
