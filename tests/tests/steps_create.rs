//! Writing a new disk with every one of its steps failing, in every way: there is no image then, nothing stays attached, and the same
//! then succeeds.
//!
//! Pace: minutes

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use baserock_tests::operations::{CREATE, CREATE_PARTITIONS, Operation};
use baserock_tests::programs::run;
use baserock_tests::steps::{self, How, Step};
use baserock_tests::trees::{Trees, memory};
use baserock_tests::version::manage_at;

fn write(operation: &Operation, trees: &Trees, place: &Path) -> Command {
    let mut write = operation.command(trees, &place.join("disk.img"));
    write.current_dir(place);
    write
}

fn names(place: &Path) -> Vec<String> {
    fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a whole disk lists, and nothing else.
const LISTED: &str = "factory (default)\n";

fn listed(place: &Path) -> String {
    let list = manage_at(&place.join("disk.img"), &["list"]);
    list.stdout + &list.stderr
}

/// Loop devices of files in this folder.
fn attached(place: &Path) -> String {
    let all = run(Command::new("losetup").args(["--list", "--noheadings", "--output", "BACK-FILE"])).ok();
    all.lines().filter(|line| Path::new(line).starts_with(place)).collect::<Vec<_>>().join(" ")
}

/// Returns the faults.
fn try_one(operation: &Operation, trees: &Trees, step: &Step, how: How) -> Vec<String> {
    let place = memory();
    let write = || write(operation, trees, place.path());
    let done = steps::fail(&mut write(), step.number, how);
    let mut faults = Vec::new();
    if !how.allows(done.code) {
        faults.push(format!("exit code {}", done.code));
    }
    if how == How::Error && done.code == 1 && done.stderr.lines().count() != 1 {
        faults.push("more or less than one line".into());
    }
    let left = names(place.path());
    // What cannot be taken away is named; a process that dies after the image has got its name leaves it, whole.
    let is_named = |name: &String| how == How::Broken && done.stderr.contains(name.as_str());
    let is_whole = !how.lets_undo() || how == How::Panic;
    if done.code != 0 && !left.iter().all(is_named) && !(is_whole && listed(place.path()) == LISTED) {
        faults.push(format!("left behind: {left:?}"));
    }
    // The kernel lets go of one a moment after the last process that had it mounted is gone.
    let begun = Instant::now();
    while !attached(place.path()).is_empty() {
        if begun.elapsed() > Duration::from_secs(30) {
            return vec![format!("{how:?} at {step}: a loop device stays: {}", attached(place.path()))];
        }
    }
    for name in names(place.path()) {
        fs::remove_file(place.path().join(name)).unwrap();
    }
    let again = run(&mut write());
    let list = listed(place.path());
    if again.code != 0 || list != LISTED {
        faults.push(format!("the same again: {} {list}", again.stderr));
    }
    if faults.is_empty() {
        return faults;
    }
    vec![format!("{how:?} at {step}:\n  {}\n  it said: {}", faults.join("\n  "), done.stderr.trim())]
}

/// Every step in every way; of those that copy the tree, each `every`th in one way, in turn.
fn cases(steps: &[Step], every: usize) -> Vec<(Step, How)> {
    let copies =
        |step: &Step| ["/systems/", "/state/", "/boot/"].iter().any(|place| step.what.contains(place));
    let (of_tree, others): (Vec<_>, Vec<_>) = steps.iter().cloned().partition(copies);
    let others = others.into_iter().flat_map(|step| How::ALL.map(|how| (step.clone(), how)));
    others.chain(of_tree.into_iter().step_by(every).zip(How::ALL.into_iter().cycle())).collect()
}

fn try_all(operation: &Operation) {
    let (trees, place) = (Trees::new(), memory());
    let steps = steps::list(&mut write(operation, &trees, place.path()), place.path());
    let cases = cases(&steps, 3);
    steps::try_all(operation.name, cases, |step, how| try_one(operation, &trees, step, how));
}

#[test]
fn a_disk_that_is_one_volume() {
    try_all(&CREATE);
}

#[test]
fn a_disk_with_partitions() {
    try_all(&CREATE_PARTITIONS);
}
