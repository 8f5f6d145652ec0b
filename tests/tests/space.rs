//! Removed versions give back the blocks that the others share with them.
//!
//! Pace: minutes

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use baserock_tests::crash::point::Random;
use baserock_tests::image::Image;
use baserock_tests::programs::{command, run, shell};
use baserock_tests::ssh::Target;
use baserock_tests::steps::{self, How};
use baserock_tests::version::{self, factory_image, manage, put_tree};
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::extents;
use system::sys::fs::clone_range;

/// Files that each upgrade changes in part, and the parts of each.
const FILES: usize = 12;
const PARTS: usize = 32;
const PART: usize = 128 << 10;

/// Writes new content to two in five parts of each file.
fn change(tree: &Path, random: &mut Random) {
    for file in 0..FILES {
        let file = OpenOptions::new().write(true).open(tree.join(format!("large{file}"))).unwrap();
        for part in (0..PARTS).filter(|_| random.below(5) < 2).collect::<Vec<_>>() {
            file.write_all_at(&noise(PART, random), (part * PART) as u64).unwrap();
        }
    }
}

fn noise(bytes: usize, random: &mut Random) -> Vec<u8> {
    (0..bytes).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

#[test]
fn twenty_upgrades_take_no_more_than_a_tenth_more_than_a_new_image() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    let source = baserock_tests::inputs::busybox().unwrap();
    shell("cp", &["-a", source.to_str().unwrap(), tree.to_str().unwrap()]);
    let mut random = Random::new(1);
    for file in 0..FILES {
        fs::write(tree.join(format!("large{file}")), noise(PARTS * PART, &mut random)).unwrap();
    }
    let image = factory_image(1024);
    let target = Target::start(&image, "factory");
    let mut before = None;
    for number in 1..=20 {
        change(&tree, &mut random);
        let label = format!("v{number}");
        run(&mut target.push(&tree, &label)).ok();
        target.system.manage(&["set-default", &label]).ok();
        if let Some(before) = before.replace(label) {
            target.system.manage(&["remove", &before]).ok();
        }
    }
    target.assert_identical("v20", &tree);
    let taken = |top: &Dir, label: &str| {
        btrfs::commit(top).unwrap();
        let run = top.dir(Path::new("systems").join(label).join("run")).unwrap();
        extents::usage(&[run]).unwrap().amount().stored
    };
    let upgraded = taken(&target.system.top_level().dir(), "v20");
    let fresh = Image::to_be();
    version::write(&tree, &fresh.path(), 1024).ok();
    let fresh = taken(&fresh.mount("subvolid=5").dir(), "factory");
    assert!(upgraded * 10 <= fresh * 11, "{upgraded} bytes are taken; in a new image {fresh}");
}

#[test]
fn a_removal_succeeds_even_if_shared_blocks_cannot_be_freed() {
    let image = factory_image(512);
    let content = noise(8 << 20, &mut Random::new(3));
    put_tree(&image, "old", |tree| fs::write(tree.join("large"), &content).unwrap());
    manage(&image, &["deploy", "/systems/old/orig"]).ok();
    put_tree(&image, "new", |tree| {
        let old = File::open(tree.join("../../old/orig/large")).unwrap();
        let part = File::create(tree.join("part")).unwrap();
        clone_range(part.as_fd(), old.as_fd(), 1 << 20, 1 << 20, 0).unwrap();
    });
    manage(&image, &["deploy", "/systems/new/orig"]).ok();
    let place = tempfile::tempdir().unwrap();
    let remove = |image: &Image| {
        let mut remove = command("system-version-manager");
        remove.arg("--volume").arg(image.path()).args(["remove", "old"]);
        remove
    };
    let all = steps::list(&mut remove(&image.copy()), place.path());
    let shares: Vec<_> = all.iter().filter(|step| step.what.contains("/part")).collect();
    // The copy, and each of `orig` and `run` that shares it.
    assert_eq!(shares.len(), 3, "{shares:?}");
    for step in shares {
        for how in [How::Error, How::Kill] {
            let image = image.copy();
            let done = steps::fail(&mut remove(&image), step.number, how);
            let said = how == How::Kill || done.stderr.contains("old is removed, but not all space");
            assert!(said && (done.code == 0) == (how == How::Error), "{step:?}: {}", done.stderr);
            image.wait_until_detached();
            assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\nnew\n");
            let mounted = image.mount("subvolid=5");
            for tree in ["orig", "run"] {
                let part = fs::read(mounted.path().join("systems/new").join(tree).join("part")).unwrap();
                assert!(part == content[1 << 20..2 << 20], "{step:?}: {tree}");
            }
        }
    }
}

#[test]
fn only_unused_parts_that_no_other_subvolume_uses_are_given_back() {
    let image = Image::btrfs(512);
    let mounted = image.mount("");
    let top = mounted.dir();
    btrfs::create(&top, "one").unwrap();
    btrfs::create(&top, "old").unwrap();
    let content = noise(8 << 20, &mut Random::new(2));
    for name in ["gone", "kept"] {
        top.write_new(format!("old/{name}"), 0o644, &content).unwrap();
    }
    btrfs::commit(&top).unwrap();
    let (one, old) = (top.dir("one").unwrap(), top.dir("old").unwrap());
    old.write_new("end", 0o644, &content[..(2 << 20) + 77]).unwrap();
    // A megabyte in the middle, and an end that is no whole block.
    for (name, whole, from, length) in [
        ("gone", "gone", 2 << 20, 1 << 20),
        ("kept", "kept", 2 << 20, 1 << 20),
        ("tail", "end", 1 << 20, (1 << 20) + 77),
    ] {
        let (part, whole) = (one.create(name, 0o644).unwrap(), old.file(whole).unwrap());
        clone_range(part.as_fd(), whole.as_fd(), from, length, 0).unwrap();
    }
    btrfs::snapshot(&one, &top, "frozen", Access::ReadOnly).unwrap();
    for name in ["gone", "end"] {
        old.remove_file(name).unwrap();
    }
    btrfs::commit(&top).unwrap();
    let subvolumes = [one, top.dir("frozen").unwrap()];
    let before = times(&subvolumes[0]);
    let amount = extents::usage(&subvolumes).unwrap().amount();
    assert!(amount.unused >= 14 << 20, "{amount:?}");
    let rewrite = || {
        let mut usage = extents::usage(&subvolumes).unwrap();
        usage.leave_shared(&top).unwrap();
        usage.rewrite(&top, 0).unwrap();
        let mut left = extents::usage(&subvolumes).unwrap();
        let all = left.amount();
        left.leave_shared(&top).unwrap();
        (all.unused, left.amount().unused)
    };
    // `kept` in `old` uses the whole of its extent.
    assert_eq!(rewrite(), (7 << 20, 0));
    for dir in &subvolumes {
        assert!(dir.read("gone", 8 << 20).unwrap() == content[2 << 20..3 << 20]);
        assert!(dir.read("tail", 8 << 20).unwrap() == content[1 << 20..(2 << 20) + 77]);
    }
    assert_eq!(times(&subvolumes[0]), before);
    assert_eq!(btrfs::access(&subvolumes[1]).unwrap(), Access::ReadOnly);
}

/// Inode, and times of change, of everything in the directory.
fn times(dir: &Dir) -> Vec<(u64, i64, i64, i64)> {
    let stats = dir.entries().unwrap().into_iter().map(|entry| dir.stat_of(&entry.name).unwrap().unwrap());
    stats.map(|stat| (stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime_nsec)).collect()
}
