//! Pushes of kernel modules, which travel in the form for ELF files.
//!
//! Pace: minutes

#[path = "../../crates/delta/tests/forms/module.rs"]
mod module;

use std::fs;
use std::path::PathBuf;

use baserock_tests::image::Image;
use baserock_tests::next::Next;
use baserock_tests::programs::run;
use baserock_tests::ssh::{Target, logged};
use baserock_tests::version::factory_image;
use delta::difference::{Encoder, Old};
use module::Module;

const MODULES: usize = 40;

/// A machine, and a tree with modules.
struct Case {
    target: Target,
    next: Next,
    _image: Image,
}

impl Case {
    fn new() -> Self {
        let image = factory_image(3072);
        let target = Target::start(&image, "factory");
        let case = Case { target, next: Next::new(1000), _image: image };
        case.write(&modules(0));
        case.check();
        case
    }

    fn path(number: usize) -> String {
        format!("bin/module-{}.ko", char::from(b'A' + u8::try_from(number).unwrap()))
    }

    fn write(&self, modules: &[Vec<u8>]) {
        for (number, module) in modules.iter().enumerate() {
            self.next.write(&Self::path(number), module);
        }
    }

    /// Brings the agent there, so that only contents travel over a slow link later.
    fn check(&self) {
        run(&mut self.target.check("v2")).ok();
    }

    /// Pushes over a slow link; returns the lines of its log about answers.
    fn push(&self, label: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let mut push = self.target.push_slowly(&self.next.tree(), label);
        let text = logged(push.envs(variables.iter().copied()));
        self.target.assert_identical(label, &self.next.tree());
        text.lines().filter(|line| line.contains("answer: ")).map(str::to_owned).collect()
    }

    fn kept(&self) -> PathBuf {
        self.target.cache().join("baserock/contents")
    }
}

/// Modules that are built from sources that differ a little between versions.
fn modules(version: usize) -> Vec<Vec<u8>> {
    let module = |number: usize| {
        let mut module = Module::new();
        for (place, function) in module.functions.iter_mut().enumerate() {
            *function += (number * 31 + place * 17) % 200;
        }
        module.functions[3] += 24 * version;
        module.kernel_types += 70 * u32::try_from(version).unwrap();
        module.bytes()
    };
    (0..MODULES).map(module).collect()
}

/// The bytes of all answers.
fn sent(answers: &[String]) -> usize {
    let bytes = |line: &String| line.split("answer: ").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    answers.iter().map(|line| bytes(line).expect("a number")).sum()
}

#[test]
fn modules_arrive_as_they_are_and_travel_in_their_form() {
    let case = Case::new();
    case.push("v2", &[("PUSH_CACHE", "1G")]);
    case.write(&modules(1));
    let [old, new] = [0, 1].map(|version| modules(version).concat());
    let raw = Encoder::default().encode(&new, &Old::Bytes(&old), 3).unwrap().len();
    // With the old tree at hand, and with a signature alone.
    let with_old = sent(&case.push("v3", &[("PUSH_CACHE", "1G")]));
    assert!(with_old * 2 < raw, "{with_old} bytes instead of {raw}");
    case.write(&modules(2));
    case.push("v4", &[]);
}

#[test]
fn modules_whose_old_ones_are_damaged_come_again_as_they_are() {
    let case = Case::new();
    case.push("v2", &[("PUSH_CACHE", "1G")]);
    let (old, new) = (modules(0), modules(1));
    case.write(&new);
    let is_old = |content: &Vec<u8>| old.contains(content);
    let mut damaged = 0;
    for entry in fs::read_dir(case.kept()).unwrap() {
        let path = entry.unwrap().path();
        let mut content = fs::read(&path).unwrap();
        if is_old(&content) {
            content.reverse();
            fs::write(&path, content).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, MODULES);
    let answers = case.push("v3", &[("PUSH_CACHE", "1G")]);
    let again = |line: &&String| line.contains("with 0 pieces of the sender's own and 0 bytes of signature");
    assert!(answers.iter().any(|line| again(&line)), "{answers:?}");
}

#[test]
fn a_cut_push_of_modules_continues() {
    let case = Case::new();
    let many: Vec<Vec<u8>> = (0..MODULES).map(|number| noisy(&modules(0)[number], number)).collect();
    case.write(&many);
    run(&mut case.target.push_cut_after(&case.next.tree(), "v2", 14_000_000)).failed(&["connection"]);
    let said = run(&mut case.target.push(&case.next.tree(), "v2")).ok();
    assert!(said.contains("from an earlier try"), "{said}");
    case.target.assert_identical("v2", &case.next.tree());
}

/// The module with 600 KB behind it that cannot be compressed.
fn noisy(module: &[u8], seed: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    module.iter().copied().chain(noise.take(75_000).flatten()).collect()
}
