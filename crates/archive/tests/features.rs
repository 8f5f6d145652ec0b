//! Files from archives of the usual programs keep all their metadata.
//!
//! Pace: seconds

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use baserock_archive::{Options, Owners};
use tar_core::EntryType;

use support::{Archive, options, shell, unpack, unpack_bytes};

/// One file of each kind, with all metadata that it can have.
const MAKE: &str = r#"
    mkdir -p tree/dir/sub tree/etc tree/sticky tree/closed
    echo 'joe:x:4711:4711::/:/bin/sh' > tree/etc/passwd
    printf 'content' > tree/dir/file
    chown 1234:4321 tree/dir/file; chmod 6751 tree/dir/file
    ln tree/dir/file tree/dir/sub/same
    ln -s ../dir/file tree/dir/link; chown -h 77:88 tree/dir/link
    ln -s "$(printf 'x%.0s' $(seq 300))" tree/long-link
    mkfifo -m 640 tree/fifo
    mknod -m 660 tree/char c 1 3; chown 5:6 tree/char
    mknod -m 600 tree/block b 7 99
    chmod 1777 tree/sticky; chmod 2750 tree/dir/sub; chmod 000 tree/closed
    setfattr -n user.simple -v value tree/dir/file
    setfattr -n user.binary -v 0x00ff0a3d0a tree/dir/file
    setfattr -n 'user.a=b%c' -v odd tree/dir/file
    setfattr -n trusted.thing -v t tree/dir
    setcap cap_net_raw+ep tree/dir/file 2>/dev/null || setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 tree/dir/file
    setfacl -m u:4711:rw,g:99:r tree/dir/file
    setfacl -d -m u:99:rwx tree/dir/sub
    truncate -s 50M tree/sparse; printf 'middle' | dd of=tree/sparse bs=1 seek=20000000 conv=notrunc status=none
    truncate -s 3M tree/hole; printf 'end' >> tree/hole
    touch -d '1960-05-05 05:05:05.25 UTC' tree/old
    touch -d '2020-02-02 02:02:02.123456789 UTC' tree/dir/file
    printf x > "tree/$(printf 'n%.0s' $(seq 200))"
    mkdir -p "tree/$(printf 'deep/%.0s' $(seq 60))"; printf x > "tree/$(printf 'deep/%.0s' $(seq 60))f"
    printf x > "$(printf 'tree/not\xff utf8\n')"
    touch -d '2001-01-01 01:01:01 UTC' tree/dir/sub tree/dir tree
"#;

/// A description of a tree: kinds, modes, owners, sizes, times, links, attributes, lists, contents.
const TELL: &str = r"
    find . -printf '%P|%y|%m|%U:%G|%n|%T@|%l|' \( -type d -printf '\n' -o -printf '%s\n' \) | LC_ALL=C sort
    find . \( -type b -o -type c \) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
    find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex 2>/dev/null
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
";

fn compare(options: &str, tell: &str) {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    shell(place.path(), MAKE);
    shell(place.path(), &format!("tar -C tree --numeric-owner -S {options} -cf a.tar ."));
    let unpacked = place.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let archive = fs::read(place.path().join("a.tar")).unwrap();
    let stats = unpack_bytes(&archive, &unpacked).unwrap();
    assert!(stats.refused_attributes.is_empty(), "{:?}", stats.refused_attributes);
    let (is, should) = (shell(&unpacked, tell), shell(&place.path().join("tree"), tell));
    for (is, should) in is.lines().zip(should.lines()) {
        assert_eq!(is, should, "{options}");
    }
    assert_eq!(is.lines().count(), should.lines().count());
    let sparse = fs::metadata(unpacked.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "the file with holes takes {} blocks", sparse.blocks());
    let again = fs::metadata(unpacked.join("dir/sub/same")).unwrap();
    assert_eq!(fs::metadata(unpacked.join("dir/file")).unwrap().ino(), again.ino());
}

#[test]
fn the_posix_format_brings_everything() {
    compare("--format=posix --xattrs --xattrs-include='*' --acls", TELL);
}

#[test]
fn the_gnu_format_brings_what_it_can_hold() {
    // It has neither attributes nor parts of seconds.
    compare(
        "--format=gnu",
        r"find . -printf '%P|%y|%m|%U:%G|%n|%Ts|%l|\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum",
    );
}

#[test]
fn older_maps_of_holes_are_read() {
    for version in ["0.0", "0.1", "1.0"] {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let script = format!(
            "truncate -s 9M f; for n in 1 3 5; do echo part >> f; truncate -s +1M f; done
             tar --format=posix --sparse-version={version} -Scf a.tar f; mkdir out"
        );
        shell(place.path(), &script);
        unpack_bytes(&fs::read(place.path().join("a.tar")).unwrap(), &place.path().join("out")).unwrap();
        shell(place.path(), "cmp f out/f");
    }
}

#[test]
fn names_in_lists_are_those_of_the_tree() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    // The machine that wrote this knows joe by another number, or not at all.
    let list = "user::rw-\nuser:joe:r--\ngroup::r--\nmask::r--\nother::r--\n";
    let record = format!("{} SCHILY.acl.access={list}\n", "00 SCHILY.acl.access=\n".len() + list.len());
    let archive = Archive::default()
        .member("pax", EntryType::XHeader, "", record.as_bytes())
        .file("a", "x")
        .file("etc/passwd", "joe:x:4711:1::::\n")
        .end();
    unpack_bytes(&archive, place.path()).unwrap();
    let list = shell(place.path(), "getfacl -n --omit-header a");
    assert!(list.contains("user:4711:r--"), "{list}");
}

#[test]
fn a_later_member_replaces_an_earlier_one() {
    let place = tempfile::tempdir().unwrap();
    let archive = Archive::default()
        .file("a", "first")
        .hard_link("b", "a")
        .file("a", "second")
        .symlink("c", "a")
        .dir("c")
        .file("c/x", "inside")
        .end();
    unpack_bytes(&archive, place.path()).unwrap();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!((read("a"), read("b"), read("c/x")), ("second".into(), "first".into(), "inside".into()));
}

#[test]
fn what_is_not_a_whole_archive_is_told_apart() {
    let first = || Archive::default().file("a", &"x".repeat(2000));
    let (whole, second) = (first().file("b", "y").end(), first().cut().len());
    let cases: [(&[u8], &str); 9] = [
        (b"", "the file is empty"),
        (&[0; 1024], "the archive is empty"),
        (b"<html>not an archive</html>", "not a tar archive"),
        (&[b'x'; 4096], "not a tar archive"),
        (&whole[..second], "cut short after 1 members"),
        (&whole[..second + 100], "cut short"),
        (&whole[..1000], "cut short"),
        (b"\x1f\x8b\x08\x00", "compressed archive"),
        (b"BZh9nonsense and more of it", "compressed archive is damaged"),
    ];
    for (bytes, why) in cases {
        let place = tempfile::tempdir().unwrap();
        let message = unpack_bytes(bytes, place.path()).unwrap_err().to_string();
        assert!(message.contains(why), "{why}: {message}");
    }
    let mut damaged = whole.clone();
    damaged[second + 3] ^= 1;
    let place = tempfile::tempdir().unwrap();
    let message = unpack_bytes(&damaged, place.path()).unwrap_err().to_string();
    assert!(message.contains("damaged after 1 members"), "{message}");
    let lone = &whole[..whole.len() - 512];
    unpack_bytes(lone, tempfile::tempdir().unwrap().path()).unwrap();
}

#[test]
fn one_id_owns_everything_and_devices_are_left_out() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    shell(
        place.path(),
        "mkdir t out; echo x > t/f; chown 5:5 t/f; mknod t/null c 1 3; ln t/null t/again; tar -C t -cf a.tar .",
    );
    let archive = fs::File::open(place.path().join("a.tar")).unwrap();
    let mine = Options { owners: Owners::Mine, devices: false, ..options(Path::new("a.tar")) };
    let stats = unpack(archive, &place.path().join("out"), &mine).unwrap();
    assert_eq!(stats.devices_left_out, 2);
    assert_eq!(fs::metadata(place.path().join("out/f")).unwrap().uid(), 0);
    assert!(!place.path().join("out/again").exists() && !place.path().join("out/null").exists());
}
