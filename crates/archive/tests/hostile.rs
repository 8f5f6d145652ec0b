//! Archives that try to leave the tree, or to take too much: nothing outside the new tree is touched, and the message tells the attempt.
//!
//! Pace: seconds

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use baserock_archive::Options;
use support::{Archive, options, shell, unpack, unpack_bytes};
use system::dir::Dir;
use system::observer::Silent;
use tar_core::EntryType;

/// Unpacks beside a file that must not change, and returns the message.
fn refused(archive: &[u8]) -> String {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(place.path().join("victim"), "as it was").unwrap();
    let error = unpack_bytes(archive, &tree).unwrap_err().to_string();
    assert_eq!(fs::read_to_string(place.path().join("victim")).unwrap(), "as it was");
    assert_eq!(fs::metadata(place.path().join("victim")).unwrap().nlink(), 1);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "{error}");
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn names_that_climb_out_are_refused() {
    for name in ["../victim", "a/../../victim", "/../victim", "a/b/../../../victim"] {
        let message = refused(&Archive::default().file(name, "evil").end());
        assert!(message.contains("leads out of the tree by .."), "{message}");
    }
    let message = refused(&Archive::default().dir("a/..").end());
    assert!(message.contains("leads out"), "{message}");
}

#[test]
fn absolute_names_are_names_in_the_tree() {
    let place = tempfile::tempdir().unwrap();
    let archive = Archive::default().file("/etc/baserock-test-absolute", "here").end();
    unpack_bytes(&archive, place.path()).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("etc/baserock-test-absolute")).unwrap(), "here");
    assert!(!Path::new("/etc/baserock-test-absolute").exists());
}

#[test]
fn writing_through_a_link_that_leads_out_is_refused() {
    for target in ["..", "/tmp", "../../..", "x/../../.."] {
        let archive = Archive::default().dir("x").symlink("out", target).file("out/victim", "evil").end();
        let message = refused(&archive);
        assert!(message.contains("out/victim") && message.contains("leads out of the tree"), "{message}");
    }
    let chain = Archive::default().symlink("a", "b").symlink("b", "..").file("a/victim", "evil").end();
    assert!(refused(&chain).contains("leads out of the tree"));
    let turns = Archive::default().symlink("a", "a").file("a/victim", "evil").end();
    assert!(refused(&turns).contains("symbolic link"));
}

#[test]
fn a_link_is_replaced_and_never_written_through() {
    let place = tempfile::tempdir().unwrap();
    let (tree, victim) = (place.path().join("tree"), place.path().join("victim"));
    fs::create_dir(&tree).unwrap();
    fs::write(&victim, "as it was").unwrap();
    let archive = Archive::default().symlink("x", "../victim").file("x", "new").end();
    unpack_bytes(&archive, &tree).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    assert_eq!(fs::read_to_string(tree.join("x")).unwrap(), "new");
}

#[test]
fn links_inside_the_tree_are_followed() {
    let place = tempfile::tempdir().unwrap();
    let archive = Archive::default().dir("usr/bin").symlink("bin", "usr/bin").file("bin/tool", "x").end();
    unpack_bytes(&archive, place.path()).unwrap();
    assert!(place.path().join("usr/bin/tool").is_file());
}

#[test]
fn hard_links_to_the_outside_are_refused() {
    for (target, why) in [
        ("../victim", "leads out"),
        ("/etc/passwd", "not in the archive before it"),
        ("later", "not in the archive before it"),
        ("out/victim", "leads out"),
    ] {
        let archive = Archive::default().symlink("out", "..").hard_link("x", target).end();
        let message = refused(&archive);
        assert!(message.contains(why), "{target}: {message}");
    }
    let message = refused(&Archive::default().dir("d").hard_link("x", "d").end());
    assert!(message.contains("hard link to the folder d"), "{message}");
}

#[test]
fn a_hard_link_to_itself_needs_the_file() {
    let message = refused(&Archive::default().hard_link("a", "./a").end());
    assert!(message.contains("not in the archive before it"), "{message}");
    let place = tempfile::tempdir().unwrap();
    unpack_bytes(&Archive::default().file("a", "x").hard_link("a", "./a").end(), place.path()).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("a")).unwrap(), "x");
}

#[test]
fn a_hard_link_to_a_link_is_that_link() {
    let place = tempfile::tempdir().unwrap();
    let archive = Archive::default().symlink("a", "/etc/shadow").hard_link("b", "a").file("b", "evil").end();
    let before = fs::read("/etc/shadow").unwrap();
    unpack_bytes(&archive, place.path()).unwrap();
    assert_eq!(fs::read("/etc/shadow").unwrap(), before);
    assert_eq!(fs::read_link(place.path().join("a")).unwrap(), Path::new("/etc/shadow"));
    assert_eq!(fs::read_to_string(place.path().join("b")).unwrap(), "evil");
}

#[test]
fn a_tree_that_is_a_link_beforehand_does_not_lead_members_astray() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    fs::create_dir(&tree).unwrap();
    symlink("..", tree.join("planted")).unwrap();
    let error = unpack_bytes(&Archive::default().file("planted/x", "evil").end(), &tree).unwrap_err();
    assert!(error.to_string().contains("leads out"), "{error}");
}

#[test]
fn names_longer_than_a_path_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let long = "d/".repeat(3000);
    let script = format!("printf x > x; tar --transform 's,^x,{long}x,' -cf - x > long.tar");
    shell(place.path(), &script);
    let message = refused(&fs::read(place.path().join("long.tar")).unwrap());
    assert!(message.contains("more than a path can have") && message.len() < 300, "{message}");
    let wide = format!("printf x > x; tar --transform 's,^x,{},' -cf - x > wide.tar", "n".repeat(300));
    shell(place.path(), &wide);
    let message = refused(&fs::read(place.path().join("wide.tar")).unwrap());
    assert!(message.contains("a part of 300 bytes"), "{message}");
}

#[test]
fn a_tree_deeper_than_a_path_is_made_and_removed() {
    let place = tempfile::tempdir().unwrap();
    // Names go through links, each of which leads 1,000 folders down.
    let down = "d/".repeat(1000);
    let long =
        |archive: Archive, kind, text: &str| archive.member("././@LongLink", kind, "", text.as_bytes());
    let mut archive = Archive::default();
    let mut above = String::new();
    for level in 0..4 {
        archive = long(archive, EntryType::GnuLongName, &format!("{above}{down}")).dir("d");
        archive = long(archive, EntryType::GnuLongLink, &down).symlink(&format!("{above}l{level}"), "d");
        above = format!("{above}l{level}/");
    }
    unpack_bytes(&archive.file(&format!("{above}bottom"), "here").end(), place.path()).unwrap();
    let bottom = fs::read_to_string(place.path().join(above).join("bottom"));
    Dir::open(place.path()).unwrap().remove_tree("d").unwrap();
    assert_eq!(bottom.unwrap(), "here");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn only_a_file_is_opened_as_an_archive() {
    let place = tempfile::tempdir().unwrap();
    shell(place.path(), "mkfifo fifo; ln -s /dev/zero zero; mkdir tree");
    let tree = Dir::open(place.path().join("tree")).unwrap();
    for (name, words) in [("fifo", "is a FIFO, not a file"), ("zero", "is a character device, not a file")] {
        let refused = baserock_archive::unpack_file(&place.path().join(name), 0, &tree, &Silent).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert!(tree.entries().unwrap().is_empty());
}

/// An archive of one file whose header has these bytes as its mode.
fn with_mode(mode: [u8; 8]) -> Vec<u8> {
    let mut archive = Archive::default().file("a", "").end();
    archive[100..108].copy_from_slice(&mode);
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|&byte| u32::from(byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive
}

#[test]
fn a_mode_is_read_in_base_256_and_is_named_where_it_is_no_number() {
    let place = tempfile::tempdir().unwrap();
    unpack_bytes(&with_mode([0x80, 0, 0, 0, 0, 0, 1, 0xa0]), place.path()).unwrap();
    assert_eq!(fs::metadata(place.path().join("a")).unwrap().mode() & 0o7777, 0o640);
    let message = refused(&with_mode(*b"12x9\0\0\0\0"));
    assert!(message.ends_with("a header has \"12x9\" in the place of an octal number"), "{message}");
}

#[test]
fn a_folder_with_files_is_not_replaced_and_an_empty_one_is() {
    let message = refused(&Archive::default().file("d/x", "1").file("d", "2").end());
    assert!(message.contains("would replace a folder that is not empty"), "{message}");
    let place = tempfile::tempdir().unwrap();
    unpack_bytes(&Archive::default().dir("d").file("d", "2").end(), place.path()).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("d")).unwrap(), "2");
    let message = refused(&Archive::default().file("f", "1").file("f/x", "2").end());
    assert!(message.contains("which is not a folder"), "{message}");
}

#[test]
fn a_large_first_member_is_measured_by_the_whole_archive() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    fs::create_dir(&tree).unwrap();
    shell(
        place.path(),
        "truncate -s 3G large; tar -cf - large | head -c 512 | gzip > begun.tar.gz; rm large",
    );
    let begun = || fs::File::open(place.path().join("begun.tar.gz")).unwrap();
    let options = options(Path::new("begun.tar.gz"));
    let error = unpack(begun(), &tree, &Options { size: Some(50_000_000), ..options }).unwrap_err();
    assert!(!error.to_string().contains("times its own size"), "{error}");
    let options = Options { size: Some(5_000_000), ..options };
    let error = unpack(begun(), &tree, &options).unwrap_err();
    assert!(error.to_string().contains("200 times its own size"), "{error}");
}

#[test]
fn ten_gigabytes_of_zeros_in_ten_megabytes_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    fs::create_dir(&tree).unwrap();
    // The zeros of one part, compressed once and repeated.
    shell(
        place.path(),
        "truncate -s 10G zeros; tar -cf - zeros | head -c 512 | gzip > bomb.tar.gz; rm zeros
         head -c 100M /dev/zero | gzip > part; for n in $(seq 103); do cat part >> bomb.tar.gz; done",
    );
    let bomb = fs::File::open(place.path().join("bomb.tar.gz")).unwrap();
    assert!(bomb.metadata().unwrap().len() < 50_000_000);
    let error = unpack(bomb, &tree, &options(Path::new("bomb.tar.gz"))).unwrap_err();
    assert!(error.to_string().contains("200 times its own size"), "{error}");
    let left: u64 = fs::read_dir(&tree).unwrap().map(|f| f.unwrap().metadata().unwrap().blocks() * 512).sum();
    assert!(left < 1 << 20, "{left} bytes were written");
}

#[test]
fn a_limit_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let archive = Archive::default().file("a", &"x".repeat(600)).file("b", &"x".repeat(600)).end();
    let limit = baserock_archive::Options { most: Some(1000), ..options(Path::new("test.tar")) };
    let error = unpack(&archive[..], place.path(), &limit).unwrap_err();
    assert_eq!(
        error.to_string(),
        "test.tar: unpacks to more than 1000 bytes, the most that is allowed; refused"
    );
}

/// Endless members, which are made while they are read.
struct Many {
    left: u32,
    block: Vec<u8>,
}

impl Read for Many {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() && self.left > 0 {
            self.left -= 1;
            let name = format!("d{}/f{}", self.left / 1000, self.left);
            self.block = Archive::default().member(&name, EntryType::Regular, "", b"").cut();
            if self.left == 0 {
                self.block.extend([0; 1024]);
            }
        }
        let count = buffer.len().min(self.block.len());
        buffer[..count].copy_from_slice(&self.block[..count]);
        self.block.drain(..count);
        Ok(count)
    }
}

#[test]
fn two_hundred_thousand_members_are_unpacked() {
    let place = tempfile::tempdir().unwrap();
    let many = Many { left: 200_000, block: Vec::new() };
    let stats = unpack(many, place.path(), &options(Path::new("many.tar"))).unwrap();
    assert_eq!(stats.members, 200_000);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 200);
}
