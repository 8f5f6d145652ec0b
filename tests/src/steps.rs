//! Operations of which one step fails: by an error, for want of space, by a panic, or with the whole process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use crate::programs::{Done, run};

/// The variable that lets a step fail.
pub const FAIL: &str = "BASEROCK_FAIL";
/// The variable with the file in which a program lists its steps.
pub const STEPS: &str = "BASEROCK_STEPS";

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The kernel says that it cannot.
    Error,
    /// The kernel says that there is no space left.
    NoSpace,
    /// The program panics.
    Panic,
    /// The process is gone, as by `kill -9`.
    Kill,
    /// The kernel says that it cannot, from this step on: nothing is undone either.
    Broken,
}

impl How {
    /// Every way.
    pub const ALL: [How; 5] = [How::Error, How::NoSpace, How::Panic, How::Kill, How::Broken];

    fn name(self) -> &'static str {
        match self {
            How::Error => "error",
            How::NoSpace => "nospace",
            How::Panic => "panic",
            How::Kill => "kill",
            How::Broken => "broken",
        }
    }

    /// The value of [`FAIL`] with which this happens to a step.
    pub fn of(self, step: u64) -> String {
        format!("{step}:{}", self.name())
    }

    /// Whether the program could undo what it had begun.
    pub fn lets_undo(self) -> bool {
        !matches!(self, How::Kill | How::Broken)
    }

    /// Whether a program may end with this code. Some steps are not needed for the operation to succeed.
    pub fn allows(self, code: i32) -> bool {
        match self {
            How::Error | How::NoSpace | How::Broken => code == 0 || code == 1,
            // How often a program looks for space to come back varies, so the step may not have come.
            How::Panic => code == 0 || code == 101,
            How::Kill => code == 0 || code == 128 + 9,
        }
    }
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which it is, from 1.
    pub number: u64,
    /// What is done, to what.
    pub what: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({})", self.number, self.what)
    }
}

/// Runs a command that succeeds, and returns its steps.
pub fn list(command: &mut Command, folder: &Path) -> Vec<Step> {
    let file = folder.join("steps");
    run(command.env(STEPS, &file)).ok();
    let text = std::fs::read_to_string(&file);
    let text = text.expect("a list of steps; programs have it that cargo xtask test built");
    std::fs::remove_file(&file).expect("the list");
    parse(&text)
}

/// The steps in a list.
pub fn parse(text: &str) -> Vec<Step> {
    let step = |line: &str| {
        let (number, what) = line.split_once(' ')?;
        Some(Step { number: number.parse().ok()?, what: what.to_owned() })
    };
    text.lines().map(|line| step(line).unwrap_or_else(|| panic!("no step: {line}"))).collect()
}

/// Runs a command with a step failing.
pub fn fail(command: &mut Command, step: u64, how: How) -> Done {
    run(command.env(FAIL, how.of(step)))
}

/// Tries every case, two at a time, and demands that none has faults.
#[track_caller]
pub fn try_all(name: &str, cases: Vec<(Step, How)>, one: impl Fn(&Step, How) -> Vec<String> + Sync) {
    let begun = Instant::now();
    let (count, queue, faults) = (cases.len(), Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some((step, how)) = queue.lock().expect("the cases").next() else { return };
            let found = one(&step, how);
            faults.lock().expect("the faults").extend(found);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let faults = faults.into_inner().expect("the faults");
    println!("{name}: {count} cases, {:.1} s", begun.elapsed().as_secs_f32());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What to try: of the steps that do the same to files of the same directory the first in every way, and of the others each
/// `every`th in one way, in turn.
pub fn sample(steps: &[Step], every: usize) -> Vec<(Step, How)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for step in steps {
        let count = seen.entry(kind(&step.what)).or_default();
        if *count == 0 {
            cases.extend(How::ALL.map(|how| (step.clone(), how)));
        } else if count.is_multiple_of(every) {
            let way = How::ALL[count.wrapping_add(*count / every) % How::ALL.len()];
            cases.push((step.clone(), way));
        }
        *count += 1;
    }
    cases
}

/// The step without the last name in its path, where that is deep in a tree.
fn kind(what: &str) -> String {
    let (before, path) = what.rsplit_once(' ').unwrap_or((what, ""));
    let names: Vec<&str> = path.split('/').collect();
    let action = before.split(" /").next().unwrap_or_default();
    // Deep are names in trees: `/systems/LABEL/run/etc/…`, `/.baserock/incoming/LABEL/tree/…`.
    if names.len() > 5 { format!("{action} {}", names[..5].join("/")) } else { format!("{before} {path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_is_tried_in_every_way() {
        let lines = (1..=20).map(|number| format!("{number} create /systems/devel/run/etc/{number}\n"));
        let steps = parse(&(lines.collect::<String>() + "21 commit /\n"));
        let cases = sample(&steps, 5);
        let of = |number| cases.iter().filter(|(step, _)| step.number == number).count();
        assert_eq!((of(1), of(2), of(6), of(21)), (5, 0, 1, 5));
        assert_eq!(cases.len(), 5 + 3 + 5);
    }
}
