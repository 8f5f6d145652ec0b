//! A real Debian as a chroot, of root and of an ordinary user.
//!
//! Pace: minutes

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use baserock_tests::chroot::{Place, path};
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{Done, run};

/// The Debian as an archive compressed with zstd.
fn archive(place: &Place) -> String {
    let tree = inputs::debian(Debian::Release).unwrap();
    let options = "--numeric-owner --xattrs --xattrs-include='*' --acls --format=posix";
    place.shell(&format!("tar -C {} {options} -cf - . | zstd -q -1 -T0 > debian.tar.zst", tree.display()));
    path(&place.path().join("debian.tar.zst")).to_owned()
}

/// Kinds, modes, owners, sizes, times, link targets and attributes of everything below.
fn tell(tree: &str) -> String {
    run(Command::new("bash").current_dir(tree).args([
        "-c",
        "find . -printf '%P|%y|%m|%U:%G|%n|%Ts|%l|' \\( -type d -printf '\\n' -o -printf '%s\\n' \\) | LC_ALL=C sort
         find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex 2> /dev/null",
    ]))
    .ok()
}

#[test]
fn debian_is_added_as_it_is_and_works() {
    let place = Place::new();
    place.manage(["add", "debian", &archive(&place)]).ok();
    let (is, should) =
        (tell(path(&place.tree("debian"))), tell(path(&inputs::debian(Debian::Release).unwrap())));
    for (is, should) in is.lines().zip(should.lines()) {
        assert_eq!(is, should);
    }
    assert_eq!(is.lines().count(), should.lines().count());
    assert!(place.inside("debian", "apt-get --version").ok().starts_with("apt "));
    assert_eq!(place.inside("debian", "id -un").ok(), "root\n");
    assert!(place.inside("debian", "mount").ok().contains("devpts on /dev/pts"));
    assert_eq!(place.inside("debian", "script -qec tty /dev/null").ok().trim(), "/dev/pts/0");
    assert!(place.inside("debian", "dpkg --audit && ldconfig -p | head -1").ok().contains("libs found"));
    let home = place.enter(["debian", "--user", "nobody", "--", "sh", "-c", "id -un; ls -d /src"]).ok();
    assert_eq!(home, "nobody\n/src\n");
}

#[test]
fn debian_is_an_ordinary_users_too() {
    let place = Place::new();
    let archive = archive(&place);
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(61_234), Some(61_234)).unwrap();
    let run_as = |program: &str, arguments: &[&str]| -> Done {
        let own = place.path().join(program);
        fs::copy(baserock_tests::programs::path(program), &own).unwrap();
        fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
        run(Command::new(own)
            .args(arguments)
            .env_remove("BASEROCK_CHROOTS")
            .env("HOME", &home)
            .uid(61_234)
            .gid(61_234))
    };
    run_as("manage-baserock", &["add", "debian", &archive]).ok();
    assert!(run_as("enter-baserock", &["--", "apt-get", "--version"]).ok().starts_with("apt "));
    let tree = home.join(".local/share/baserock/debian/tree");
    assert_eq!(fs::metadata(tree.join("etc/shadow")).unwrap().uid(), 61_234);
    run_as("manage-baserock", &["rm", "debian"]).ok();
    assert!(!tree.exists());
}
