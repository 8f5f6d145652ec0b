//! Tests that copies of trees have everything that belongs to them.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use system::copy::{Copier, copy_data};
use system::dir::Dir;
use system::owners::IdMoves;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A tree with one of everything.
fn make_tree(at: &Path) {
    fs::create_dir_all(at.join("dir/deep")).unwrap();
    fs::write(at.join("dir/file"), "content").unwrap();
    fs::hard_link(at.join("dir/file"), at.join("dir/deep/same")).unwrap();
    symlink("file", at.join("dir/link")).unwrap();
    symlink("/nowhere", at.join("dangling")).unwrap();
    let sparse = fs::File::create(at.join("sparse")).unwrap();
    sparse.write_all_at(b"x", 8 << 20).unwrap();
    sparse.set_len(16 << 20).unwrap();
    fs::write(at.join("suid"), "#!/bin/sh").unwrap();
    fs::write(at.join("name\nwith newline"), "").unwrap();
    let shown = |name: &str| at.join(name).to_str().unwrap().to_owned();
    run("chown", &["123:456", &shown("suid")]);
    run("chown", &["-h", "7:8", &shown("dangling")]);
    run("chmod", &["6755", &shown("suid")]);
    run("setcap", &["cap_net_raw+ep", &shown("dir/file")]);
    run("setfacl", &["-m", "u:1000:rw", &shown("dir/file")]);
    run("setfacl", &["-d", "-m", "g:50:rx", &shown("dir")]);
    run("setfattr", &["-n", "user.note", "-v", "kept", &shown("sparse")]);
    run("mknod", &[&shown("null"), "c", "1", "3"]);
    run("mkfifo", &["-m", "620", &shown("fifo")]);
    let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    run(
        "touch",
        &["-h", "-d", "2001-02-03 04:05:06.789", &shown("dir/link"), &shown("sparse"), &shown("dir")],
    );
    fs::set_permissions(at, fs::Permissions::from_mode(0o751)).unwrap();
}

/// The tree as other programs see it: type, mode, owner, size, times, link count, attributes, content.
fn listing(at: &Path) -> String {
    let script = r"find . -printf '%P %y %m %U %G %s %T@ %n %l\n' | sort;
        find . -type b -o -type c | xargs -r stat -c '%n %t %T';
        getfattr -R -P -h -d -m - . | grep -v '^$'; getfacl -R -P -n . ; find . -type f | sort | xargs -d '\n' sha256sum";
    let output = Command::new("sh").args(["-c", script]).current_dir(at).output().unwrap();
    // Directory sizes depend on the filesystem.
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            if line.contains(" d ") {
                line.split(' ').filter(|w| !w.ends_with("096")).collect::<Vec<_>>().join(" ")
            } else {
                line.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_copy_has_everything() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    make_tree(&from);
    let destination = Dir::open(&to).unwrap();
    let mut copier = Copier::new(&destination);
    copier.contents(&Dir::open(&from).unwrap(), Path::new("")).unwrap();
    assert_eq!(listing(&from), listing(&to));
    assert!(listing(&to).contains("security.capability"));
    let sparse = fs::metadata(to.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes were filled: {} blocks", sparse.blocks());
    assert_eq!(
        fs::metadata(to.join("dir/file")).unwrap().ino(),
        fs::metadata(to.join("dir/deep/same")).unwrap().ino()
    );
}

#[test]
fn a_mount_in_the_source_is_not_entered() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir_all(from.join("proc")).unwrap();
    fs::create_dir(&to).unwrap();
    run("mount", &["-t", "tmpfs", "none", from.join("proc").to_str().unwrap()]);
    fs::write(from.join("proc/secret"), "x").unwrap();
    let destination = Dir::open(&to).unwrap();
    let mut copier = Copier::new(&destination);
    let outcome = copier.contents(&Dir::open(&from).unwrap(), Path::new(""));
    run("umount", &[from.join("proc").to_str().unwrap()]);
    outcome.unwrap();
    assert_eq!(copier.left_out().mounts, [from.join("proc")]);
    assert_eq!(fs::read_dir(to.join("proc")).unwrap().count(), 0);
}

#[test]
fn a_file_that_was_cut_short_or_grew_after_it_was_examined_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("source");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let source = fs::File::open(&path).unwrap();
    let copy = |size| {
        let target = tempfile::tempfile().unwrap();
        copy_data(&source, &path, &target, Path::new("target"), size, &mut [0; 4096])
            .map(|(copied, _)| copied)
    };
    assert_eq!(copy(100_000).unwrap(), 100_000);
    for size in [100_001, 50_000_000, 99_999] {
        let error = copy(size).unwrap_err().to_string();
        assert!(error.contains("source changed while it was being copied"), "{size}: {error}");
    }
}

/// Two folders, `from` and `to`.
fn two_folders(place: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (from, to) = (place.join("from"), place.join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    (from, to)
}

#[test]
fn a_default_acl_of_the_destination_is_not_inherited() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = two_folders(place.path());
    make_tree(&from);
    run("setfacl", &["-d", "-m", "u:4711:rwx,m::rwx", to.to_str().unwrap()]);
    Copier::new(&Dir::open(&to).unwrap()).contents(&Dir::open(&from).unwrap(), Path::new("")).unwrap();
    assert_eq!(listing(&from), listing(&to));
    assert!(!run("getfacl", &["-R", "-P", to.to_str().unwrap()]).contains("4711"));
}

#[test]
fn acls_follow_the_numbers_of_owners() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = two_folders(place.path());
    fs::write(from.join("file"), "").unwrap();
    let file = from.join("file").to_str().unwrap().to_owned();
    run("chown", &["123:456", &file]);
    run("setfacl", &["-m", "u:123:rw,u:5:r,g:456:r", &file]);
    let moves = IdMoves { users: [(123, 321)].into(), groups: [(456, 654)].into() };
    let destination = Dir::open(&to).unwrap();
    let mut copier = Copier::new(&destination).moves(moves);
    copier.contents(&Dir::open(&from).unwrap(), Path::new("")).unwrap();
    let copied = fs::metadata(to.join("file")).unwrap();
    assert_eq!((copied.uid(), copied.gid()), (321, 654));
    let acl = run("getfacl", &["-n", "-P", to.join("file").to_str().unwrap()]);
    for line in ["user:321:rw-", "user:5:r--", "group:654:r--"] {
        assert!(acl.contains(line), "{line}: {acl}");
    }
    assert!(!acl.contains("123") && !acl.contains("456"), "{acl}");
}

#[test]
fn flags_are_kept_and_a_file_that_has_them_is_copied_into_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = two_folders(place.path());
    fs::create_dir(from.join("folder")).unwrap();
    fs::write(from.join("folder/file"), "content").unwrap();
    fs::hard_link(from.join("folder/file"), from.join("other-name")).unwrap();
    let [folder, file] = ["folder", "folder/file"].map(|name| from.join(name).to_str().unwrap().to_owned());
    run("chattr", &["+iA", &file, &folder]);
    let destination = Dir::open(&to).unwrap();
    let mut copier = Copier::new(&destination);
    let outcome = copier.contents(&Dir::open(&from).unwrap(), Path::new(""));
    let flags = run("lsattr", &["-R", "-d", to.join("folder").to_str().unwrap()])
        + &run("lsattr", &[to.join("folder").to_str().unwrap()]);
    run("chattr", &["-R", "-i", from.to_str().unwrap(), to.to_str().unwrap()]);
    outcome.unwrap();
    assert!(copier.left_out().flags.is_empty());
    assert_eq!(flags.lines().filter(|line| line.starts_with("----i--A")).count(), 2, "{flags}");
    assert_eq!(fs::read_to_string(to.join("folder/file")).unwrap(), "content");
}

#[test]
fn flags_that_the_destination_cannot_keep_are_named() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = two_folders(place.path());
    fs::write(from.join("file"), "content").unwrap();
    run("chattr", &["+i", from.join("file").to_str().unwrap()]);
    run("mount", &["-t", "ramfs", "none", to.to_str().unwrap()]);
    let destination = Dir::open(&to).unwrap();
    let mut copier = Copier::new(&destination);
    let outcome = copier.contents(&Dir::open(&from).unwrap(), Path::new(""));
    let named = copier.left_out().flags.clone();
    drop(destination);
    run("umount", &[to.to_str().unwrap()]);
    run("chattr", &["-i", from.join("file").to_str().unwrap()]);
    outcome.unwrap();
    assert_eq!(named, [from.join("file")]);
}

#[test]
fn a_tree_deeper_than_a_path_is_long_is_copied() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = two_folders(place.path());
    let mut below = Dir::open(&from).unwrap();
    for _ in 0..1000 {
        below.make_dir("directory", 0o700).unwrap();
        below = below.dir("directory").unwrap().shown_as("deep");
    }
    below.write_new("file", 0o600, b"bottom").unwrap();
    Copier::new(&Dir::open(&to).unwrap()).contents(&Dir::open(&from).unwrap(), Path::new("")).unwrap();
    let mut copied = Dir::open(&to).unwrap();
    for _ in 0..1000 {
        copied = copied.dir("directory").unwrap().shown_as("deep");
    }
    assert_eq!(copied.read("file", 100).unwrap(), b"bottom");
}
