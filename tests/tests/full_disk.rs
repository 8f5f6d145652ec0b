//! Volumes that fill up under every operation, data or metadata or both, at many points each: nothing is half made, what to do is
//! said, and removing a version works however full it is.
//!
//! Pace: minutes

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use baserock_tests::disk;
use baserock_tests::image::Image;
use baserock_tests::operations::{self, LABEL, Operation, SPARE};
use baserock_tests::programs::run;
use baserock_tests::soundness::{Existing, Place, Times};
use baserock_tests::trees::Trees;
use baserock_tests::version::manage;
use nix::fcntl::{FallocateFlags, fallocate};
use rustix::fs::{XattrFlags, fsetxattr};
use system::dir::Dir;

impl Full {
    /// The points between full and enough.
    fn points(self) -> Vec<u64> {
        (0..20).step_by(if self == Full::Data { 2 } else { 4 }).collect()
    }
}

/// What is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// Room for data; names and small files can still be made.
    Data,
    /// Room for metadata: there are megabytes for data, and none of them can be used.
    Metadata,
    /// Everything.
    Both,
}

/// Where what fills the volume is.
const PLACE: &str = "filling";

/// The operation's volume with one more version, to remove.
fn volume(operation: &Operation, trees: &Trees) -> Image {
    let image = operation.image(trees);
    if !operation.spare {
        disk::deploy(trees, &image.path(), SPARE);
    }
    image.copy()
}

/// Fills the volume to the last byte.
fn fill(image: &Image, full: Full) {
    let mounted = image.mount("subvolid=5");
    let place = mounted.path().join(PLACE);
    fs::create_dir(&place).unwrap();
    let data = fill_data(&place);
    if full == Full::Metadata {
        // Every chunk stays in use, so that none is given back for metadata.
        for path in data.iter().step_by(2) {
            fs::remove_file(path).unwrap();
        }
    }
    sync(mounted.path());
    if full != Full::Data {
        fill_metadata(&place);
        sync(mounted.path());
    }
}

fn fill_data(place: &Path) -> Vec<PathBuf> {
    let mut made = Vec::new();
    for size in [4 << 20, 256 << 10, 16 << 10, 4 << 10] {
        loop {
            let path = place.join(format!("data-{}", made.len()));
            let file = File::create(&path).unwrap();
            if fallocate(&file, FallocateFlags::empty(), 0, size).is_err() {
                fs::remove_file(&path).unwrap();
                break;
            }
            made.push(path);
        }
    }
    made
}

/// Attributes need no room for data.
fn fill_metadata(place: &Path) {
    for number in 0.. {
        let outcome = File::create(place.join(format!("metadata-{number}"))).and_then(|file| {
            fsetxattr(&file, "user.filling", &[0; 15000], XattrFlags::empty()).map_err(std::io::Error::from)
        });
        match outcome {
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => return,
            outcome => outcome.unwrap(),
        }
    }
}

/// Takes some of the filling away, so that there is room for the `point`th of what the operation needs.
fn make_room(image: &Image, full: Full, point: u64) {
    let mounted = image.mount("subvolid=5");
    let place = mounted.path().join(PLACE);
    let (mut data, mut metadata) = (point * (1 << 20) / 2, point * 48);
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        let is_data = path.file_name().unwrap().as_encoded_bytes().starts_with(b"data");
        let size = fs::metadata(&path).unwrap().blocks() * 512;
        if is_data && full != Full::Metadata && data > 0 {
            let file = File::options().write(true).open(&path).unwrap();
            let left = size.saturating_sub(data);
            file.set_len(left).unwrap();
            data -= size - left;
        } else if !is_data && metadata > 0 {
            fs::remove_file(&path).unwrap();
            metadata -= 1;
        }
    }
    sync(mounted.path());
}

fn sync(top: &Path) {
    system::btrfs::commit(&Dir::open(top).unwrap()).unwrap();
}

/// Does the operation at every point, and checks what it leaves.
fn try_all(operation: &Operation, full: Full) {
    let begun = Instant::now();
    let trees = Trees::new();
    let volume = volume(operation, &trees);
    fill(&volume, full);
    let before = Existing::on(volume.mount("subvolid=5").path());
    let list = manage(&volume, &["list"]).ok();
    let (points, done) = (Mutex::new(full.points().into_iter()), Mutex::new((0, Vec::new())));
    let work = || {
        loop {
            let Some(point) = points.lock().unwrap().next() else { return };
            let image = volume.copy();
            make_room(&image, full, point);
            let (fitted, faults) = try_one(operation, &trees, &image, &before, &list);
            let mut done = done.lock().unwrap();
            done.0 += usize::from(fitted);
            done.1.extend(faults.into_iter().map(|fault| format!("point {point}: {fault}")));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let (fitted, faults) = done.into_inner().unwrap();
    println!(
        "{} on full {full:?}: fits {fitted} of {} times, {:.1} s",
        operation.name,
        full.points().len(),
        begun.elapsed().as_secs_f32()
    );
    assert!(faults.is_empty(), "{} on full {full:?}:\n{}", operation.name, faults.join("\n"));
}

fn try_one(
    operation: &Operation,
    trees: &Trees,
    image: &Image,
    before: &Existing,
    list: &str,
) -> (bool, Vec<String>) {
    let mut faults = Vec::new();
    let done = run(&mut operation.command(trees, &image.path()));
    let fitted = done.code == 0;
    if !fitted {
        let line = done.stderr.lines().last().unwrap_or_default();
        let says = ["MiB", "free", "remove"];
        if done.code != 1 || !says.iter().all(|words| line.contains(words)) {
            faults.push(format!("it said: {}", done.stderr));
        }
        if manage(image, &["list"]).ok() != list {
            faults.push("the list is another".into());
        }
    }
    let kept = operation.keeps() && !fitted;
    let unfinished = match (fitted, kept) {
        (true, _) => &[],
        (_, true) => &[LABEL][..],
        _ => operation.unfinished(),
    };
    let touched = [operation.touched, &[SPARE]].concat();
    let mut look = |touched: &[&str]| {
        let mounted = image.mount("subvolid=5");
        faults.extend(Place::new(mounted.path()).faults());
        let debris = Place::new(mounted.path()).debris(unfinished).into_iter();
        let is_known = |fault: &str| {
            fault.ends_with(PLACE) || kept && fault.ends_with(&format!(".baserock/incoming/{LABEL}"))
        };
        faults.extend(debris.filter(|fault| !is_known(fault)));
        faults.extend(before.harm(mounted.path(), touched, Times::Kept));
    };
    look(operation.touched);
    let removed = manage(image, &["remove", SPARE]);
    look(&touched);
    if removed.code != 0 || manage(image, &["list"]).ok().contains(SPARE) {
        faults.push(format!("{SPARE} cannot be removed: {}", removed.stderr));
    }
    (fitted, faults)
}

/// Tries the operation with each kind of space used up.
fn check(operation: &Operation) {
    for full in [Full::Data, Full::Metadata, Full::Both] {
        try_all(operation, full);
    }
}

#[test]
fn deploy() {
    check(&operations::DEPLOY);
}

#[test]
fn set_default() {
    check(&operations::SET_DEFAULT);
}

#[test]
fn set_default_with_a_merge() {
    check(&operations::SET_DEFAULT_MERGE);
}

#[test]
fn finish() {
    check(&operations::FINISH);
}

#[test]
fn remove() {
    check(&operations::REMOVE);
}

#[test]
fn pin() {
    check(&operations::PIN);
}

#[test]
fn merge() {
    check(&operations::MERGE);
}

#[test]
fn sync_etc() {
    check(&operations::SYNC);
}

#[test]
fn rawdisk_upgrade() {
    check(&operations::UPGRADE);
}

#[test]
fn fetch() {
    check(&operations::FETCH);
}
