//! Eight processes change one volume at the same time, at random: nothing is lost, nobody waits for ever, who is refused hears by whom.
//!
//! Pace: minutes

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use baserock_tests::image::Image;
use baserock_tests::operations;
use baserock_tests::programs::{command, run};
use baserock_tests::running::Running;
use baserock_tests::soundness::{Existing, Place, Times};
use baserock_tests::trees::Trees;
use baserock_tests::version::{manage, put_tree};

/// How many work at the same time.
const WORKERS: u64 = 8;
/// For how long.
const TIME: Duration = Duration::from_secs(60);
/// The versions that come and go; each worker takes any.
const LABELS: [&str; 3] = ["devel", "one", "two"];

/// A sequence that is the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most).unwrap()
    }
}

/// What may be said by who is refused for another reason than the lock: the state of the volume does not allow it.
const REASONS: [&str; 9] = [
    "is deployed already",
    "does not exist",
    "is not complete",
    "is the default",
    "choose another one first",
    "somebody has edited",
    "cannot be merged into itself",
    "no tree",
    "is attached already",
];

/// Runs a tool on the volume that all share.
type Tool<'a> = &'a (dyn Fn(&str, &[&str]) -> Command + Sync);

fn operation(tool: Tool<'_>, random: &mut Random) -> Command {
    let label = LABELS[random.below(LABELS.len() as u64)];
    let orig = format!("/systems/{label}/orig");
    let svm = |arguments: &[&str]| tool("system-version-manager", arguments);
    let sync = |arguments: &[&str]| tool("baserock-system-config-sync", arguments);
    match random.below(8) {
        0 | 1 => svm(&["deploy", &orig]),
        2 => svm(&["set-default", label]),
        3 => svm(&["set-default", "factory"]),
        4 => svm(&["list"]),
        5 => sync(&["merge", "factory", label]),
        6 => sync(&["sync", "factory"]),
        _ => svm(&["get-default"]),
    }
}

/// One worker: operations until the time is over. Returns how many succeeded and how many found the volume in use.
fn work(tool: Tool<'_>, seed: u64, until: Instant) -> (u32, u32) {
    let (mut random, mut done, mut busy) = (Random(seed), 0, 0);
    while Instant::now() < until {
        let mut command = operation(tool, &mut random);
        let outcome = run(&mut command);
        let line = outcome.stderr.lines().last().unwrap_or_default();
        if outcome.code == 0 {
            done += 1;
        } else if line.contains("is in use by ") {
            let named = line.contains("system-version-") || line.contains("baserock-system");
            assert!(named && outcome.code == 1, "{command:?}: {}", outcome.stderr);
            busy += 1;
        } else {
            let known = REASONS.iter().any(|reason| line.contains(reason));
            assert!(known && outcome.code == 1, "{command:?}: {}", outcome.stderr);
        }
    }
    (done, busy)
}

fn crowd(tool: Tool<'_>) {
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    println!("seed {seed}");
    let until = Instant::now() + TIME;
    let counts: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=WORKERS)
            .map(|number| scope.spawn(move || work(tool, seed.wrapping_mul(number) | 1, until)))
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    println!("succeeded, and found it in use, by worker: {counts:?}");
    assert!(counts.iter().all(|(done, _)| *done > 0), "somebody never had a turn: {counts:?}");
    assert!(counts.iter().any(|(_, busy)| *busy > 0), "nobody met anybody");
}

/// The tools of this machine, on the volume at a path.
fn on(volume: &Path) -> impl Fn(&str, &[&str]) -> Command + Sync {
    move |name, arguments| {
        let mut tool = command(name);
        tool.arg("--volume").arg(volume).args(arguments);
        tool
    }
}

/// Everything is as sound as if they had come one after another.
fn check(image: &Image, before: &Existing) {
    image.wait_until_detached();
    manage(image, &["set-default", "factory"]).ok();
    let list = manage(image, &["list"]).ok();
    let mounted = image.mount("subvolid=5");
    let place = Place::new(mounted.path());
    let missing: Vec<&str> =
        LABELS.into_iter().filter(|label| !list.lines().any(|line| line == *label)).collect();
    let mut faults = [place.faults(), place.debris(&missing)].concat();
    faults.extend(before.harm(mounted.path(), &LABELS, Times::OfDirectoriesDiffer));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn volume() -> (Image, Existing) {
    let image = operations::DEPLOY.image(&Trees::new());
    for label in ["one", "two"] {
        put_tree(&image, label, |orig| fs::write(orig.join("etc/label"), label).unwrap());
    }
    let image = image.copy();
    manage(&image, &["set-default", "factory"]).ok();
    let before = Existing::on(image.mount("subvolid=5").path());
    (image, before)
}

#[test]
fn on_an_image() {
    let (image, before) = volume();
    crowd(&on(&image.path()));
    check(&image, &before);
}

#[test]
fn on_a_mounted_volume() {
    let (image, before) = volume();
    {
        // Elsewhere than where threads make private mounts: all workers see it, in the namespace that they inherit.
        let mounted = image.mount("subvolid=5");
        let pid = std::process::id();
        let place = format!("/proc/{pid}/task/{}/root{}", nix::unistd::gettid(), mounted.path().display());
        crowd(&on(Path::new(&place)));
    }
    check(&image, &before);
}

#[test]
fn on_a_running_system() {
    let (image, before) = volume();
    {
        let system = Running::start(&image, "factory");
        let (process, thread) = (std::process::id(), nix::unistd::gettid());
        // The workers enter the namespace that has the system's mounts.
        let namespace = format!("--mount=/proc/{process}/task/{thread}/ns/mnt");
        let root = system.path("");
        crowd(&|name, arguments| {
            let mut tool = Command::new("nsenter");
            tool.arg(&namespace).arg("chroot").arg(&root).arg(format!("/tmp/{name}")).args(arguments);
            tool
        });
    }
    check(&image, &before);
}
