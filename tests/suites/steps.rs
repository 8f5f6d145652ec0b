//! Every operation with every one of its steps failing, in every way: the volume stays sound, what was begun is undone, and the same
//! operation then succeeds.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::soundness::{Existing, Place};
use baserock_tests::steps::{self, How, Step};
use baserock_tests::version::{factory_image, manage, put_tree};

/// An operation and what it works on.
struct Operation {
    name: &'static str,
    /// The volume before it.
    volume: fn() -> Image,
    /// Itself, on a copy of that volume.
    command: fn(&Path) -> Command,
    /// The versions that it is about.
    touched: &'static [&'static str],
    /// Of these, those that consist of `orig` alone before it, and after its undo.
    unfinished: &'static [&'static str],
}

/// What is the same for all cases of an operation.
struct Expected {
    before: Existing,
    after: Existing,
    list_before: String,
    list_after: String,
}

fn tool(name: &str, image: &Path, arguments: &[&str]) -> Command {
    let mut tool = command(name);
    tool.arg("--volume").arg(image).args(arguments);
    tool
}

fn svm(image: &Path, arguments: &[&str]) -> Command {
    tool("system-version-manager", image, arguments)
}

/// A volume with `devel` put beside `factory`, whose `/etc` and state the administrator has used.
fn with_tree() -> Image {
    let image = factory_image(256);
    {
        let mounted = image.mount("subvolid=5");
        let top = mounted.path();
        fs::write(top.join("systems/factory/run/etc/hostname"), "mine\n").unwrap();
        fs::write(top.join("systems/factory/run/etc/os-release"), "ID=mine\nVERSION_ID=1\n").unwrap();
        fs::write(top.join("state/var/lib/thing/state"), "used\n").unwrap();
    }
    put_tree(&image, "devel", |orig| {
        fs::write(orig.join("boot/vmlinuz"), "another kernel\n").unwrap();
        fs::write(orig.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").unwrap();
        fs::write(orig.join("etc/group"), "root:x:0:\nnew:x:100:\nthing:x:101:\n").unwrap();
        fs::create_dir_all(orig.join("var/lib/other/deep")).unwrap();
        fs::write(orig.join("var/lib/other/deep/file"), "shipped\n").unwrap();
        fs::create_dir(orig.join("srv")).unwrap();
        fs::write(orig.join("srv/thing"), "of the group that moves\n").unwrap();
        shell("chgrp", &["101", orig.join("srv/thing").to_str().unwrap()]);
    });
    image
}

fn with_devel() -> Image {
    let image = with_tree();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    image
}

fn with_devel_and_a_late_edit() -> Image {
    let image = with_devel();
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/late"), "late\n").unwrap();
    image
}

/// A tree to write to disks, beside the image: the small one, changed as the next version of it would be.
fn next_tree(image: &Path) -> std::path::PathBuf {
    let tree = image.parent().unwrap().join("tree");
    if !tree.exists() {
        shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
        fs::write(tree.join("etc/os-release"), "ID=busybox\nVERSION_ID=2\n").unwrap();
        fs::write(tree.join("boot/vmlinuz"), "another kernel\n").unwrap();
        fs::remove_file(tree.join("root/.profile")).unwrap();
    }
    tree
}

fn rawdisk(image: &Path, variables: &[(&str, &str)]) -> Command {
    let mut write = command("rawdisk-write");
    write.arg(next_tree(image)).arg(image).env("BOOTLOADER_INSTALL", "none").envs(variables.iter().copied());
    write
}

const DEPLOY: Operation = Operation {
    name: "deploy",
    volume: with_tree,
    command: |image| svm(image, &["deploy", "/systems/devel/orig"]),
    touched: &["devel"],
    unfinished: &["devel"],
};
const SET_DEFAULT: Operation = Operation {
    name: "set-default",
    volume: with_devel,
    command: |image| svm(image, &["set-default", "devel"]),
    touched: &[],
    unfinished: &[],
};
const SET_DEFAULT_MERGING: Operation = Operation {
    name: "set-default with a merge",
    volume: with_devel_and_a_late_edit,
    command: |image| svm(image, &["set-default", "devel"]),
    touched: &["devel"],
    unfinished: &[],
};
const REMOVE: Operation = Operation {
    name: "remove",
    volume: with_devel,
    command: |image| svm(image, &["remove", "devel"]),
    touched: &["devel"],
    unfinished: &[],
};
const MERGE: Operation = Operation {
    name: "merge",
    volume: with_devel_and_a_late_edit,
    command: |image| tool("baserock-system-config-sync", image, &["merge", "factory", "devel"]),
    touched: &["devel"],
    unfinished: &[],
};
const SYNC: Operation = Operation {
    name: "sync",
    volume: with_devel_and_a_late_edit,
    command: |image| tool("baserock-system-config-sync", image, &["sync", "factory"]),
    touched: &["devel"],
    unfinished: &[],
};
const UPGRADE: Operation = Operation {
    name: "rawdisk upgrade",
    volume: || factory_image(256),
    command: |image| rawdisk(image, &[("UPGRADE", "yes"), ("VERSION_LABEL", "next"), ("MERGE_ETC", "yes")]),
    touched: &["next"],
    unfinished: &[],
};

/// Runs the operation with each of these steps failing.
fn try_all(operation: &Operation, every: usize) {
    let begun = Instant::now();
    let volume = (operation.volume)();
    let (before, list_before) = look(&volume, operation.unfinished);
    let whole = volume.copy();
    let steps = steps::list(&mut (operation.command)(&whole.path()), whole.place());
    let (after, list_after) = look(&whole, &[]);
    let expected = Expected { before, after, list_before, list_after };
    let cases = steps::sample(&steps, every);
    let (count, queue, faults) = (cases.len(), Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some((step, how)) = queue.lock().unwrap().next() else { return };
            let found = try_one(operation, &volume, &expected, &step, how);
            faults.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let faults = faults.into_inner().unwrap();
    println!("{}: {} steps, {count} cases, {:.1} s", operation.name, steps.len(), begun.elapsed().as_secs_f32());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn look(image: &Image, unfinished: &[&str]) -> (Existing, String) {
    let list = manage(image, &["list"]).ok();
    let mounted = image.mount("subvolid=5");
    let found = [Place::new(mounted.path()).faults(), Place::new(mounted.path()).debris(unfinished)].concat();
    assert!(found.is_empty(), "{found:?}");
    (Existing::on(mounted.path()), list)
}

/// Returns the faults.
fn try_one(operation: &Operation, volume: &Image, expected: &Expected, step: &Step, how: How) -> Vec<String> {
    let image = volume.copy();
    let done = steps::fail(&mut (operation.command)(&image.path()), step.number, how);
    let mut faults = Vec::new();
    if !how.allows(done.code) {
        faults.push(format!("exit code {}", done.code));
    }
    if !detaches(&image) {
        faults.push("a loop device stays".into());
        return told(operation, step, how, &done.stderr, faults);
    }
    let list = manage(&image, &["list"]).ok();
    if list != expected.list_after && (list != expected.list_before || done.code == 0) {
        faults.push(format!("the list is {list:?}"));
    }
    let cleared = how.lets_undo() || done.code == 0;
    let unfinished = if done.code == 0 { &[] } else { operation.unfinished };
    faults.extend(look_again(operation, &image, expected, cleared.then_some(unfinished)));

    let again = run(&mut (operation.command)(&image.path()));
    let was_done = list == expected.list_after && list != expected.list_before;
    if again.code != 0 && !was_done {
        faults.push(format!("the same again: {}", again.stderr.trim()));
    }
    // What was done already is refused, without repairing anything: the next operation does.
    if again.code != 0 && was_done {
        let default = manage(&image, &["get-default"]).ok();
        manage(&image, &["set-default", default.trim()]).ok();
    }
    let list = manage(&image, &["list"]);
    if list.stdout != expected.list_after || !list.stderr.is_empty() {
        faults.push(format!("after the same again the list is {:?} {}", list.stdout, list.stderr));
    }
    faults.extend(look_again(operation, &image, expected, Some(&[])).into_iter().map(|fault| format!("in the end: {fault}")));
    told(operation, step, how, &done.stderr, faults)
}

fn told(operation: &Operation, step: &Step, how: How, stderr: &str, faults: Vec<String>) -> Vec<String> {
    if faults.is_empty() {
        return faults;
    }
    vec![format!("{}: {how:?} at {step}:\n  {}\n  it said: {}", operation.name, faults.join("\n  "), stderr.trim())]
}

/// What is wrong on the volume; debris too, where there may be none but the `orig` of these versions.
fn look_again(
    operation: &Operation,
    image: &Image,
    expected: &Expected,
    cleared: Option<&[&str]>,
) -> Vec<String> {
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let mut faults = Place::new(top).faults();
    faults.extend(expected.before.harm(top, operation.touched));
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
        faults.extend(Place::new(top).debris(unfinished));
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
    try_all(&DEPLOY, 4);
}

#[test]
fn set_default() {
    try_all(&SET_DEFAULT, 1);
}

#[test]
fn set_default_with_a_merge() {
    try_all(&SET_DEFAULT_MERGING, 4);
}

#[test]
fn remove() {
    try_all(&REMOVE, 2);
}

#[test]
fn merge() {
    try_all(&MERGE, 4);
}

#[test]
fn sync() {
    try_all(&SYNC, 4);
}

#[test]
fn rawdisk_upgrade() {
    try_all(&UPGRADE, 6);
}
