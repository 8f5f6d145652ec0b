//! Trees are copied with everything that belongs to them, on the filesystems of this machine and on real btrfs.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use system::copy::{Copier, copy_data};
use system::dir::Dir;

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

/// What an independent program sees: type, mode, owner, size, times, link count, attributes, content.
fn listing(at: &Path) -> String {
    let script = r"find . -printf '%P %y %m %U %G %s %T@ %n %l\n' | sort;
        find . -type b -o -type c | xargs -r stat -c '%n %t %T';
        getfattr -R -P -h -d -m - . | grep -v '^$'; getfacl -R -P -n . ; find . -type f | sort | xargs -d '\n' sha256sum";
    let output = Command::new("sh").args(["-c", script]).current_dir(at).output().unwrap();
    // Directory sizes belong to the filesystem, not to the tree.
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
    assert_eq!(copier.skipped_mounts(), [from.join("proc")]);
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
