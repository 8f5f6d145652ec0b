//! The power goes while a version is deployed, or made the default; what the disk is then boots in a machine: the old or the new version,
//! its kernel, its initramfs and its root of the same; and doing it again succeeds.
//!
//! Pace: boots machines

use std::path::Path;
use std::sync::Mutex;

use baserock_tests::crash::disk::Rebuilder;
use baserock_tests::crash::log::Log;
use baserock_tests::crash::point::{Kept, Point, Random};
use baserock_tests::crash::recording::Recorder;
use baserock_tests::image::Mounted;
use baserock_tests::inputs::Debian;
use baserock_tests::programs::{command, run};
use baserock_tests::small_guest::{self, Said, Tree};
use baserock_tests::trees::memory;
use baserock_tests::version::manage_at;
use system::btrfs;

/// Moments at which the power goes, of each operation.
const MOMENTS: usize = 10;
const SEED: u64 = 1;
/// Machines at a time.
const MACHINES: usize = 2;

/// The trees of factory and devel, and a disk with factory.
struct Versions {
    factory: Tree,
    devel: Tree,
}

impl Versions {
    fn new() -> Self {
        Versions { factory: Tree::new(Debian::Release, "first"), devel: Tree::new(Debian::Updated, "second") }
    }

    /// A disk with factory, which boots, and the tree of devel beside it.
    fn disk(&self, disk: &Path) {
        let mut write = command("rawdisk-write");
        run(write.arg(self.factory.path()).arg(disk).env("DISK_SIZE", "512M")).ok();
        let mounted = Mounted::at(disk, 0, "subvolid=5");
        small_guest::hurry(mounted.path());
        let systems = mounted.dir().dir("systems").unwrap();
        systems.make_dir("devel", 0o755).unwrap();
        btrfs::create(&systems.dir("devel").unwrap(), "orig").unwrap();
        let orig = mounted.path().join("systems/devel/orig");
        run(std::process::Command::new("cp").arg("-a").arg(self.devel.path().join(".")).arg(orig)).ok();
    }

    /// What a guest says that runs this version, whole.
    fn said(&self, label: &str) -> Said {
        let (tree, version) =
            if label == "devel" { (&self.devel, "second") } else { (&self.factory, "first") };
        Said { label: label.into(), parts: [tree.kernel.clone(), version.into(), version.into()] }
    }
}

/// The first and the last moment, and random ones between; at half of them, some of what was not flushed is on the disk as well.
fn moments(log: &Log) -> Vec<Point> {
    let mut random = Random::new(SEED);
    let last = log.epochs.len() - 1;
    let mut points = vec![Point { epoch: 0, kept: Kept::First(0) }];
    for number in 0..MOMENTS - 2 {
        let write = usize::try_from(random.below(log.writes() as u64)).unwrap();
        let mut before = 0;
        let epoch = log.epochs.iter().position(|epoch| {
            before += epoch.len();
            write < before
        });
        let kept = if number % 2 == 0 { Kept::First(0) } else { Kept::Some(number) };
        points.push(Point { epoch: epoch.unwrap(), kept });
    }
    points.push(Point { epoch: last, kept: Kept::First(log.epochs[last].len()) });
    points.sort_unstable();
    points
}

/// Cuts the power during the operation, boots what is left, does it again. Returns the labels that booted.
fn cut(versions: &Versions, base: &Path, arguments: &[&str], refusal: &str) -> Vec<String> {
    let recorded = memory();
    let recorder = Recorder::start(base, recorded.path());
    manage_at(&recorder.disk(), arguments).ok();
    let log = recorder.stop();
    let points = moments(&log);
    let booted = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for machine in 0..MACHINES {
            let (log, points, booted) = (&log, &points, &booted);
            scope.spawn(move || {
                let place = memory();
                let mut rebuilder = Rebuilder::new(log, base, SEED, place.path());
                for &point in points.iter().skip(machine).step_by(MACHINES) {
                    let disk = rebuilder.disk_at(point);
                    let said = small_guest::boot(disk.path()).unwrap_or_else(|error| {
                        panic!("{arguments:?} cut at {point} (seed {SEED}): {error}")
                    });
                    assert_eq!(said, versions.said(&said.label), "{arguments:?} cut at {point}");
                    let again = manage_at(disk.path(), arguments);
                    let is_done = again.code == 1 && !refusal.is_empty() && again.stderr.contains(refusal);
                    assert!(again.code == 0 || is_done, "{arguments:?} cut at {point}: {}", again.stderr);
                    assert!(
                        manage_at(disk.path(), &["list"]).ok().contains("devel"),
                        "{arguments:?} cut at {point}"
                    );
                    println!("{arguments:?} cut at {point}: {} boots", said.label);
                    booted.lock().unwrap().push(said.label);
                }
            });
        }
    });
    booted.into_inner().unwrap()
}

#[test]
fn booted_after_power_cuts() {
    let (versions, place) = (Versions::new(), memory());
    let base = place.path().join("base");
    versions.disk(&base);
    let booted = cut(&versions, &base, &["deploy", "/systems/devel/orig"], "is deployed already");
    assert_eq!(booted, ["factory"; MOMENTS], "a deployment does not change the default");

    manage_at(&base, &["deploy", "/systems/devel/orig"]).ok();
    let mut booted = cut(&versions, &base, &["set-default", "devel"], "");
    booted.sort();
    assert_eq!(booted.len(), MOMENTS);
    booted.dedup();
    assert_eq!(booted, ["devel", "factory"], "both the old and the new default were seen");
}
