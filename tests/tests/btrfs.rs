//! The btrfs floor on a real filesystem.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::time::Duration;

use baserock_tests::image::Image;
use system::btrfs::{self, Access};
use system::copy::Copier;
use system::{loopdev, superblock};

#[test]
fn subvolumes_are_made_snapshotted_frozen_and_deleted_with_what_is_inside() {
    let image = Image::btrfs(256);
    let mounted = image.mount("");
    let top = mounted.dir();
    btrfs::create(&top, "orig").unwrap();
    let orig = top.dir("orig").unwrap();
    assert!(btrfs::is_subvolume(&orig).unwrap());
    orig.make_dir("plain", 0o755).unwrap();
    assert!(!btrfs::is_subvolume(&orig.dir("plain").unwrap()).unwrap());
    orig.write_new("plain/file", 0o644, b"one").unwrap();
    btrfs::create(&orig.dir("plain").unwrap(), "inner").unwrap();
    btrfs::create(&orig.dir("plain/inner").unwrap(), "innermost").unwrap();
    assert_eq!(btrfs::nested(&orig).unwrap(), [Path::new("plain/inner")]);

    btrfs::snapshot(&orig, &top, "run", Access::Writable).unwrap();
    btrfs::snapshot(&orig, &top, "frozen", Access::ReadOnly).unwrap();
    let frozen = top.dir("frozen").unwrap();
    assert_eq!(btrfs::access(&frozen).unwrap(), Access::ReadOnly);
    assert!(frozen.write_new("x", 0o644, b"").is_err());
    top.dir("run").unwrap().write_new("x", 0o644, b"").unwrap();
    assert!(!orig.has("x").unwrap());

    // The cleaner waits for the last handle on what it frees.
    drop((orig, frozen));
    let mut deleted = btrfs::delete(&top, "orig").unwrap();
    assert_eq!(deleted.len(), 3);
    deleted.extend(btrfs::delete(&top, "frozen").unwrap());
    assert!(btrfs::wait_until_freed(&top, &deleted, Duration::from_secs(10)).unwrap());
    assert!(!top.has("orig").unwrap());
    assert_eq!(top.read("run/plain/file", system::dir::MOST_TEXT).unwrap(), b"one");
}

#[test]
fn ctransid_changes_when_written_and_not_when_snapshotted() {
    let image = Image::btrfs(256);
    let mounted = image.mount("");
    let top = mounted.dir();
    btrfs::create(&top, "orig").unwrap();
    let orig = top.dir("orig").unwrap();
    btrfs::commit(&top).unwrap();
    let before = btrfs::identity(&orig).unwrap();
    btrfs::snapshot(&orig, &top, "run", Access::Writable).unwrap();
    btrfs::commit(&top).unwrap();
    assert_eq!(btrfs::identity(&orig).unwrap(), before);
    orig.write_new("x", 0o644, b"").unwrap();
    btrfs::commit(&top).unwrap();
    assert_ne!(btrfs::identity(&orig).unwrap(), before);
}

#[test]
fn the_superblock_tells_the_uuid_and_the_loop_device_its_image() {
    let image = Image::btrfs(256);
    let file = fs::File::open(image.path()).unwrap();
    let found = superblock::read(&file, 0, &image.path()).unwrap().unwrap();
    assert_eq!(found.devices, 1);
    assert_eq!(found.total_bytes, 256 << 20);
    assert_eq!(loopdev::holder(&file, &image.path()).unwrap(), None);
    let mounted = image.mount("");
    let holder = loopdev::holder(&file, &image.path()).unwrap().unwrap();
    assert!(holder.starts_with("/dev"));
    assert_eq!(btrfs::devices(&mounted.dir()).unwrap(), std::slice::from_ref(&holder));
    drop(mounted);
    assert_eq!(loopdev::holder(&file, &image.path()).unwrap(), None, "{} stayed attached", holder.display());
    assert_eq!(
        superblock::read(&fs::File::open("/dev/null").unwrap(), 0, Path::new("/dev/null")).unwrap(),
        None
    );
}

#[test]
fn a_copy_on_btrfs_shares_blocks_and_compressed_files_are_told_apart() {
    let image = Image::btrfs(256);
    let mounted = image.mount("compress-force=zstd");
    let top = mounted.dir();
    top.make_dir("from", 0o755).unwrap();
    top.make_dir("to", 0o755).unwrap();
    top.write_new("from/big", 0o644, &vec![7; 4 << 20]).unwrap();
    let destination = top.dir("to").unwrap();
    let mut copier = Copier::new(&destination);
    copier.contents(&top.dir("from").unwrap(), Path::new("")).unwrap();
    assert_eq!(copier.stats().shared, 4 << 20);
    let file = top.file("to/big").unwrap();
    assert!(btrfs::has_encoded_extents(std::os::fd::AsFd::as_fd(&file), Path::new("/to/big")).unwrap());
    assert!(btrfs::space(&top).unwrap().available > 100 << 20);
}
