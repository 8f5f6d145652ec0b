//! One operation, recorded and checked at many points.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use super::check::{Expected, complete};
use super::disk::Rebuilder;
use super::log::Log;
use super::point::Point;
use super::recording::{Recorder, copy};
use crate::operations::{Extent, LABEL, Operation};
use crate::trees::{Trees, memory};
use crate::version::manage_at;

/// How much is checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many points; `None` for all.
    pub points: Option<usize>,
    /// Random choices of unflushed writes at each flush.
    pub random: usize,
    /// At every how manieth point the filesystem's own program looks for damage.
    pub check: usize,
    /// At every how manieth point the operation is done again.
    pub again: usize,
    /// What the random choices come from.
    pub seed: u64,
}

/// An operation that was recorded.
pub struct Recording {
    folder: TempDir,
    log: Log,
    expected: Expected,
}

/// What was found.
pub struct Report {
    /// The operation.
    pub name: &'static str,
    /// Its writes.
    pub writes: usize,
    /// Its flushes.
    pub flushes: usize,
    /// The points that were checked.
    pub points: usize,
    /// What was wrong, by point.
    pub failures: Vec<(Point, Vec<String>)>,
}

/// Two at a time: a check waits for the kernel half of its time.
const WORKERS: usize = 2;
/// In a folder of a recording: the disk before the operation, after it, and what happened between.
const PARTS: [&str; 3] = ["base", "now", "log"];

impl Recording {
    /// Does the operation once, undisturbed.
    pub fn make(operation: &Operation, trees: &Trees) -> Recording {
        let folder = memory();
        let base = folder.path().join("base");
        operation.prepare(trees, &base);
        let recorder = Recorder::start(&base, folder.path());
        operation.run(trees, &recorder.disk(), &[]).ok();
        let log = recorder.stop();
        Recording::of(folder, log)
    }

    /// One that was kept.
    pub fn load(kept: &Path) -> Recording {
        let folder = memory();
        for part in PARTS {
            copy(&kept.join(part), &folder.path().join(part));
        }
        let log = Log::open(&folder.path().join("log"));
        Recording::of(folder, log)
    }

    fn of(folder: TempDir, log: Log) -> Recording {
        let path = |part| folder.path().join(part);
        let expected = Expected::new(&path("base"), &path("now")).expect("the disk before and after");
        Recording { folder, log, expected }
    }

    /// Keeps it, so that a point can be looked at again.
    pub fn keep(&self, place: &Path) {
        fs::create_dir_all(place).expect("a folder");
        for part in PARTS {
            copy(&self.folder.path().join(part), &place.join(part));
        }
    }

    /// The points of a plan.
    pub fn points(&self, plan: &Plan) -> Vec<Point> {
        let all = Point::all(&self.log, plan.random);
        match plan.points {
            Some(count) if count < all.len() => Point::sample(&all, count, plan.seed),
            _ => {
                let mut all = all;
                all.sort_unstable();
                all
            }
        }
    }

    /// Checks the points, which are in order.
    pub fn check(&self, operation: &Operation, trees: &Trees, points: &[Point], plan: &Plan) -> Report {
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let failures = &failures;
                scope.spawn(move || {
                    let own = points.iter().enumerate().skip(worker).step_by(WORKERS);
                    self.work(operation, trees, own, plan, failures);
                });
            }
        });
        let mut failures = failures.into_inner().expect("the failures");
        failures.sort();
        Report {
            name: operation.name,
            writes: self.log.writes(),
            flushes: self.log.flushes(),
            points: points.len(),
            failures,
        }
    }

    fn work<'p>(
        &self,
        operation: &Operation,
        trees: &Trees,
        points: impl Iterator<Item = (usize, &'p Point)>,
        plan: &Plan,
        failures: &Mutex<Vec<(Point, Vec<String>)>>,
    ) {
        let place = memory();
        let mut rebuilder =
            Rebuilder::new(&self.log, &self.folder.path().join("base"), plan.seed, place.path());
        for (number, &point) in points {
            let disk = rebuilder.disk_at(point);
            let mut faults = Vec::new();
            let found = self.expected.check(disk.path(), &mut faults);
            let mut step = |outcome: Result<(), String>| faults.extend(outcome.err());
            if number % plan.check == 0 {
                step(self.expected.shape.check(disk.path()));
            }
            if let Some(found) = found {
                let complete = complete(&found, &self.expected.shape);
                step(listed(disk.path(), &complete));
                if number % plan.again == 0 {
                    let there = match found.contains_key(&format!("systems/{LABEL}")) {
                        false => Extent::None,
                        true if complete.iter().any(|label| label == LABEL) => Extent::Whole,
                        true => Extent::Part,
                    };
                    let done = operation.again(trees, disk.path(), there);
                    step(done.and_then(|()| self.expected.finished(disk.path())));
                }
            }
            if !faults.is_empty() {
                failures.lock().expect("the failures").push((point, faults));
            }
        }
    }
}

/// `list` works, and lists every version that is complete, one of them as the default.
fn listed(disk: &Path, complete: &[String]) -> Result<(), String> {
    let done = manage_at(disk, &["list"]);
    let labels: Vec<&str> = done.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    let defaults = done.stdout.lines().filter(|line| line.ends_with(" (default)")).count();
    if done.code == 0 && labels == complete && defaults == 1 {
        return Ok(());
    }
    Err(format!("list: exit {}: {:?} {:?}, complete are {complete:?}", done.code, done.stdout, done.stderr))
}

impl Report {
    /// Whether all is well.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, writes, flushes, points, failures } = self;
        write!(f, "{name}: {writes} writes, {flushes} flushes, {points} points, {} failures", failures.len())
    }
}

/// Where the recordings of operations that failed are kept.
pub fn kept(operation: &Operation) -> PathBuf {
    crate::inputs::folder().with_file_name("crash").join(operation.name)
}

/// Records an operation, checks it at the points of a plan; where one fails, keeps the recording and says how to look at that point.
pub fn run(operation: &Operation, trees: &Trees, plan: &Plan) -> Report {
    let recording = Recording::make(operation, trees);
    let points = recording.points(plan);
    let report = recording.check(operation, trees, &points, plan);
    if !report.is_clean() {
        recording.keep(&kept(operation));
    }
    report
}
