//! An initramfs is pushed as a recipe: it is packed again on the machine, from the files that it has by then.
//!
//! Pace: minutes

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{run, shell};
use baserock_tests::ssh::{Target, logged, quiet};
use baserock_tests::version::factory_image;
use tempfile::TempDir;

/// A machine, and a tree to push there, with an initramfs that packs its modules.
struct Case {
    target: Target,
    place: TempDir,
    _image: Image,
}

/// Bytes of a module, which cannot be compressed.
const MODULE: u64 = 1_500_000;
/// The same text each time but for a line, as the scripts of an initramfs.
const PACK: &str = "cd \"$TREE\"; mkdir -p boot; cp -a lib/modules \"$PLACE\"/root/; date +%N >\"$PLACE\"/root/made; \
    seq 100000 >\"$PLACE\"/root/script; cd \"$PLACE\"/root; find . | sort | busybox cpio -o -H newc | gzip -n >\"$TREE\"/boot/initrd.img";

impl Case {
    /// A machine with a version that has the initramfs.
    fn new() -> Self {
        let image = factory_image(3072);
        let target = Target::start(&image, "factory");
        let case = Case { target, place: tempfile::tempdir().unwrap(), _image: image };
        let source = inputs::busybox().unwrap();
        shell("cp", &["-a", source.to_str().unwrap(), case.tree().to_str().unwrap()]);
        fs::create_dir_all(case.tree().join("lib/modules")).unwrap();
        fs::create_dir(case.place.path().join("root")).unwrap();
        for name in ["same", "changed"] {
            case.make_module(name);
        }
        case.pack();
        run(&mut case.target.check("v2")).ok();
        let log = case.push("v2", &[]);
        assert!(recipes(&log).is_empty(), "there is no older one: {log}");
        case
    }

    fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    fn make_module(&self, name: &str) {
        let mut bytes = Vec::new();
        File::open("/dev/urandom").unwrap().take(MODULE).read_to_end(&mut bytes).unwrap();
        fs::write(self.tree().join("lib/modules").join(name), bytes).unwrap();
    }

    fn pack(&self) {
        let mut pack = Command::new("sh");
        pack.args(["-ec", PACK]).env("TREE", self.tree()).env("PLACE", self.place.path());
        run(&mut pack).ok();
    }

    /// Pushes over a slow link, and returns the log.
    fn push(&self, label: &str, variables: &[(&str, &str)]) -> String {
        let push = self.target.push_slowly(&self.tree(), label);
        self.push_by(push, label, variables)
    }

    fn push_by(&self, mut push: Command, label: &str, variables: &[(&str, &str)]) -> String {
        let log = logged(push.envs(variables.iter().copied()));
        self.target.assert_identical(label, &self.tree());
        assert_eq!(self.target.incoming(), [""; 0]);
        log
    }
}

/// The bytes of the recipes that were sent.
fn recipes(log: &str) -> Vec<u64> {
    numbers(log, "recipe: ")
}

/// The bytes of the answers for units.
fn answers(log: &str) -> u64 {
    numbers(log, "answer: ").iter().sum()
}

fn numbers(log: &str, before: &str) -> Vec<u64> {
    let words = log.lines().filter_map(|line| line.split_once(before)?.1.split(' ').next());
    words.map(|word| word.parse().unwrap()).collect()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

#[test]
fn the_packed_files_do_not_travel_a_second_time() {
    let case = Case::new();
    case.make_module("changed");
    case.pack();
    let log = case.push("v3", &[]);
    let [recipe] = recipes(&log)[..] else { panic!("not one recipe: {log}") };
    assert!((1..20_000).contains(&recipe), "a recipe of {recipe} bytes");
    let answers = answers(&log);
    assert!((MODULE..MODULE + 100_000).contains(&answers), "answers of {answers} bytes, with one new module");

    // The sender has the old tree, so the literals are compressed with the old ones.
    let old = case.place.path().join("old");
    shell("cp", &["-a", case.tree().to_str().unwrap(), old.to_str().unwrap()]);
    case.make_module("changed");
    case.pack();
    let log = case.push("v4", &[("BASE_ROOT", old.to_str().unwrap())]);
    let [with_old] = recipes(&log)[..] else { panic!("not one recipe: {log}") };
    assert!((1..1000).contains(&with_old), "a recipe of {with_old} bytes, of {recipe} without the old one");
}

#[test]
fn over_a_fast_link_it_travels_as_it_is() {
    let case = Case::new();
    case.make_module("changed");
    case.pack();
    let log = case.push_by(case.target.push(&case.tree(), "v3"), "v3", &[]);
    assert!(recipes(&log).iter().all(|bytes| *bytes == 0), "{log}");
    assert!(answers(&log) > 2 * MODULE, "{log}");
}

#[test]
fn what_gzip_did_not_make_travels_as_it_is() {
    let case = Case::new();
    case.make_module("changed");
    case.pack();
    let path = case.tree().join("boot/initrd.img");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let log = case.push("v3", &[]);
    assert_eq!(recipes(&log), [0]);
    assert!(answers(&log) > 2 * MODULE, "{log}");
}

#[test]
fn a_push_that_is_cut_continues() {
    let case = Case::new();
    case.make_module("changed");
    case.pack();
    for bytes in [50_000, 1_400_000] {
        quiet(&mut case.target.push_cut_after(&case.tree(), "v3", bytes)).status().unwrap();
    }
    let log = case.push("v3", &[]);
    let [1..20_000] = recipes(&log)[..] else { panic!("not one recipe: {log}") };
}

#[test]
fn a_recipe_that_makes_something_else_does_no_harm() {
    let case = Case::new();
    let kept = ("PUSH_CACHE", "1G");
    case.make_module("changed");
    case.pack();
    case.push("v3", &[kept]);
    // The sender has the old one, damaged: with text that is new, and that it therefore takes for one that the target has.
    let contents = fs::read_dir(case.target.cache().join("baserock/contents")).unwrap();
    let packed = contents.map(|entry| entry.unwrap().path()).find(|path| {
        let mut beginning = [0; 2];
        File::open(path).unwrap().read_exact(&mut beginning).is_ok() && beginning == [0x1f, 0x8b]
    });
    let packed = packed.expect("the old initramfs is kept");
    let text: String = (0..1000).map(|number: u32| number.wrapping_mul(2_654_435_761).to_string()).collect();
    fs::write(case.place.path().join("root/new"), &text).unwrap();
    let mut plain = output(Command::new("gzip").arg("-dc").arg(&packed));
    let line = plain.windows(7).position(|bytes| bytes == b"\n50000\n").unwrap();
    plain[line..line + text.len()].copy_from_slice(text.as_bytes());
    let damaged = case.place.path().join("damaged");
    fs::write(&damaged, plain).unwrap();
    fs::write(&packed, output(Command::new("gzip").arg("-nc").arg(&damaged))).unwrap();
    case.make_module("changed");
    case.pack();
    let log = case.push("v4", &[kept]);
    let [1..=u64::MAX] = recipes(&log)[..] else { panic!("not one recipe: {log}") };
    assert!(answers(&log) > 2 * MODULE, "it came again, in units: {log}");
}
