//! Disks that no longer give what was written to them: btrfs notices by its checksums, and the tools say which file it is.
//!
//! Pace: seconds

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::{config_sync, manage, put_tree, write};

const BLOCK: usize = 4096;
/// Large enough not to be stored in the metadata, of which there are two copies.
const SIZE: usize = 16 * BLOCK;

/// Bytes that no other file has.
fn content(seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [.., last] = state.to_le_bytes();
        if last == b'\n' || last == 0 { b'x' } else { last }
    };
    (0..SIZE).map(byte).collect()
}

/// Spoils the disk under every copy of the content's fifth block.
fn spoil(image: &Image, content: &[u8]) {
    let disk = File::options().read(true).write(true).open(image.path()).unwrap();
    let block = &content[4 * BLOCK..5 * BLOCK];
    let (mut piece, mut at, mut found) = (vec![0; 256 * BLOCK], 0, 0);
    loop {
        let count = disk.read_at(&mut piece, at).unwrap();
        for (number, _) in piece[..count].chunks(BLOCK).enumerate().filter(|(_, chunk)| *chunk == block) {
            disk.write_all_at(b"spoilt", at + (number * BLOCK) as u64).unwrap();
            found += 1;
        }
        at += count as u64;
        if count == 0 {
            break;
        }
    }
    assert!(found > 0, "the content is nowhere on the disk");
}

/// A tree with these files of a content of their own beside busybox's.
fn tree(place: &Path, files: &[(&str, &[u8])]) -> std::path::PathBuf {
    let tree = place.join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    for (path, content) in files {
        fs::write(tree.join(path), content).unwrap();
    }
    tree
}

#[track_caller]
fn names(done: Done, path: &str) {
    done.refused(&["cannot read", path, "I/O error"]);
}

#[test]
fn verify_names_what_the_disk_does_not_give_and_goes_on() {
    let image = Image::to_be();
    let [one, two, kernel] = [1, 2, 3].map(content);
    let tree = tree(image.place(), &[("bin/one", &one), ("etc/two", &two), ("boot/vmlinuz", &kernel)]);
    write(&tree, &image.path(), 512).ok();
    manage(&image, &["verify"]).ok();
    for content in [&one, &two, &kernel] {
        spoil(&image, content);
    }
    let done = manage(&image, &["verify", "factory"]);
    assert_eq!(done.code, 1, "{done:?}");
    let reason = "cannot be read (I/O error)";
    let expected = ["orig/bin/one", "orig/boot/vmlinuz", "orig/etc/two", "kernel"]
        .map(|path| format!("/systems/factory/{path}: {reason}\n"));
    assert_eq!(done.stdout, expected.concat());
}

#[test]
fn deploy_names_the_kernel_that_cannot_be_read() {
    let image = Image::to_be();
    let (tree, kernel) = (tree(image.place(), &[]), content(4));
    write(&tree, &image.path(), 512).ok();
    put_tree(&image, "devel", |orig| fs::write(orig.join("boot/vmlinuz"), &kernel).unwrap());
    spoil(&image, &kernel);
    names(manage(&image, &["deploy", "/systems/devel/orig"]), "/systems/devel/orig/boot/vmlinuz");
    let listed = manage(&image, &["list"]);
    assert!(listed.stderr.contains("devel is not complete"), "{}", listed.stderr);
    assert_eq!(listed.ok(), "factory (default)\n");
}

#[test]
fn an_upgrade_names_the_file_of_the_basis_that_cannot_be_read() {
    let image = Image::to_be();
    let mut changes = content(5);
    let tree = tree(image.place(), &[("bin/changes", &changes)]);
    write(&tree, &image.path(), 512).ok();
    spoil(&image, &changes);
    changes[10] ^= 1;
    fs::write(tree.join("bin/changes"), &changes).unwrap();
    let mut upgrade = command("rawdisk-write");
    upgrade.args([&tree, &image.path()]).env("UPGRADE", "yes").env("VERSION_LABEL", "devel");
    names(run(&mut upgrade), "/systems/factory/orig/bin/changes");
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
}

#[test]
fn a_merge_names_the_file_of_etc_that_cannot_be_read() {
    let image = Image::to_be();
    let text = content(6);
    let tree = tree(image.place(), &[("etc/long.conf", &text)]);
    write(&tree, &image.path(), 512).ok();
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc/long.conf"), "new\n").unwrap());
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mine = content(7);
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/long.conf"), &mine).unwrap();
    spoil(&image, &mine);
    let before = fs::read(image.mount("subvolid=5").path().join("systems/devel/run/etc/long.conf")).unwrap();
    names(config_sync(&image, &["merge", "factory", "devel"]), "/systems/factory/run/etc/long.conf");
    names(config_sync(&image, &["sync", "factory"]), "/systems/factory/run/etc/long.conf");
    let after = fs::read(image.mount("subvolid=5").path().join("systems/devel/run/etc/long.conf")).unwrap();
    assert_eq!(after, before, "devel's etc stays as it was");
}
