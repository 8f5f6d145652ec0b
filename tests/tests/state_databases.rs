//! Package databases, which belong to a version; and what an upgrade loses, which is named.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::{config_sync, manage, put_tree, write};
use tempfile::TempDir;

const LINE: &str = "/usr/lib/sysimage/dpkg /var/lib/dpkg none bind,x-systemd.requires-mounts-for=/var 0 0\n";

/// Puts dpkg's database with these packages into a tree.
fn put_status(tree: &Path, packages: &[&str]) {
    fs::create_dir_all(tree.join("var/lib/dpkg/info")).unwrap();
    fs::set_permissions(tree.join("var/lib/dpkg"), fs::Permissions::from_mode(0o750)).unwrap();
    let stanzas = packages.iter().map(|name| format!("Package: {name}\nStatus: install ok installed\n\n"));
    fs::write(tree.join("var/lib/dpkg/status"), stanzas.collect::<String>()).unwrap();
}

/// An image whose first version has these packages.
fn image(packages: &[&str]) -> Image {
    let place = TempDir::new().unwrap();
    let tree = place.path().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    put_status(&tree, packages);
    let image = Image::to_be();
    write(&tree, &image.path(), 512).ok();
    image
}

fn put(image: &Image, label: &str, packages: &[&str]) {
    put_tree(image, label, |orig| put_status(orig, packages));
}

fn deploy(image: &Image, label: &str) -> Done {
    manage(image, &["deploy", &format!("/systems/{label}/orig")]).succeeded()
}

fn fstab(image: &Image, label: &str) -> String {
    let path = format!("systems/{label}/run/etc/fstab");
    fs::read_to_string(image.mount("subvolid=5").path().join(path)).unwrap()
}

/// What is printed by a command inside a version.
fn inside(image: &Image, label: &str, script: &str) -> String {
    let mut enter = command("enter-baserock");
    enter.arg("--volume").arg(image.path()).args(["--version", label, "--", "busybox", "sh", "-c"]);
    run(enter.arg(script)).ok()
}

fn packages(image: &Image, label: &str) -> Vec<String> {
    let found = inside(image, label, "busybox grep ^Package: /var/lib/dpkg/status || true");
    found.lines().map(|line| line["Package: ".len()..].to_owned()).collect()
}

#[test]
fn each_version_has_its_own_database() {
    let image = image(&["app", "old"]);
    put(&image, "devel", &["app", "new"]);
    deploy(&image, "devel");
    assert_eq!(packages(&image, "factory"), ["app", "old"]);
    assert_eq!(packages(&image, "devel"), ["app", "new"]);
    // What is installed in one version changes that version alone.
    inside(&image, "devel", "busybox printf 'Package: more\\n\\n' >> /var/lib/dpkg/status");
    assert_eq!(packages(&image, "devel"), ["app", "new", "more"]);
    assert_eq!(packages(&image, "factory"), ["app", "old"]);
    let mounted = image.mount("subvolid=5");
    let place = mounted.path().join("state/var/lib/dpkg");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    let kept = fs::metadata(mounted.path().join("systems/devel/run/usr/lib/sysimage/dpkg")).unwrap();
    for found in [fs::metadata(&place).unwrap(), kept] {
        assert_eq!(found.permissions().mode() & 0o7777, 0o750);
    }
    assert!(mounted.path().join("systems/devel/orig/var/lib/dpkg/status").exists(), "orig stays as built");
    for label in ["factory", "devel"] {
        let text = fs::read_to_string(mounted.path().join(format!("systems/{label}/run/etc/fstab"))).unwrap();
        assert_eq!(text.matches(LINE).count(), 1, "{text}");
        assert!(text.find(" /var btrfs").unwrap() < text.find(LINE).unwrap(), "{text}");
    }
}

/// Makes the first version one that an older program deployed: its packages are in the shared `/var`.
fn make_it_an_older_programs(image: &Image) {
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let place = top.join("state/var/lib/dpkg");
    fs::remove_dir(&place).unwrap();
    shell(
        "cp",
        &["-a", top.join("systems/factory/orig/var/lib/dpkg").to_str().unwrap(), place.to_str().unwrap()],
    );
    fs::remove_dir_all(top.join("systems/factory/run/usr/lib")).unwrap();
    let fstab = top.join("systems/factory/run/etc/fstab");
    let text = fs::read_to_string(&fstab).unwrap();
    fs::write(&fstab, text.replace(LINE, "")).unwrap();
}

#[test]
fn a_version_of_an_older_program_goes_on_with_the_shared_database() {
    let image = image(&["app", "old"]);
    make_it_an_older_programs(&image);
    put(&image, "devel", &["app", "new"]);
    let said = deploy(&image, "devel").stderr;
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(packages(&image, "devel"), ["app", "new"]);
    assert_eq!(packages(&image, "factory"), ["app", "old"]);
    assert_eq!(fstab(&image, "devel").matches(LINE).count(), 1);
    // An edit of etc makes the choice merge again, in both directions.
    for (edited, chosen) in [("factory", "devel"), ("devel", "factory")] {
        let path = format!("systems/{edited}/run/etc/edited-in-{edited}");
        fs::write(image.mount("subvolid=5").path().join(path), "x\n").unwrap();
        manage(&image, &["set-default", chosen]).ok();
    }
    assert_eq!(packages(&image, "devel"), ["app", "new"]);
    assert_eq!(packages(&image, "factory"), ["app", "old"]);
    // A copy of etc gives each version the lines that it needs.
    config_sync(&image, &["sync", "devel"]).ok();
    assert!(!fstab(&image, "factory").contains("sysimage"), "{}", fstab(&image, "factory"));
    config_sync(&image, &["sync", "factory"]).ok();
    assert_eq!(fstab(&image, "devel").matches(LINE).count(), 1, "{}", fstab(&image, "devel"));
}

#[test]
fn the_lines_follow_the_new_tree() {
    let image = image(&["app"]);
    put_tree(&image, "without", |orig| fs::remove_dir_all(orig.join("var/lib/dpkg")).unwrap());
    deploy(&image, "without");
    assert!(!fstab(&image, "without").contains("sysimage"));
    manage(&image, &["set-default", "without"]).ok();
    put(&image, "again", &["app"]);
    deploy(&image, "again");
    assert!(fstab(&image, "again").ends_with(LINE));
    // The user's own mount stays, and is no conflict.
    manage(&image, &["set-default", "again"]).ok();
    {
        let text = fstab(&image, "again");
        let mounted = image.mount("subvolid=5");
        let path = mounted.path().join("systems/again/run/etc/fstab");
        fs::write(path, text.replace(LINE, "tmpfs /var/lib/dpkg tmpfs defaults 0 0\n")).unwrap();
    }
    put(&image, "tmpfs", &["app"]);
    let said = deploy(&image, "tmpfs").stderr;
    assert!(!said.contains("conflict"), "{said}");
    let text = fstab(&image, "tmpfs");
    assert!(text.contains("tmpfs /var/lib/dpkg tmpfs") && !text.contains(LINE), "{text}");
}

#[test]
fn a_database_in_the_tree_itself_stays_there() {
    let image = image(&["app"]);
    put_tree(&image, "devel", |orig| {
        fs::create_dir_all(orig.join("usr/lib/sysimage/rpm")).unwrap();
        fs::write(orig.join("usr/lib/sysimage/rpm/rpmdb.sqlite"), "db").unwrap();
        symlink("../../usr/lib/sysimage/rpm", orig.join("var/lib/rpm")).unwrap();
    });
    deploy(&image, "devel");
    assert!(!fstab(&image, "devel").contains("rpm"));
    assert_eq!(inside(&image, "devel", "busybox cat /var/lib/rpm/rpmdb.sqlite"), "db");
}

#[test]
fn databases_of_all_kinds_are_no_additions() {
    let image = image(&["app"]);
    let put = |label: &str, number: u32| {
        put_tree(&image, label, |orig| {
            for path in [
                "var/db/pkg/sys-apps/foo",
                "var/lib/opkg/info/bar",
                "var/log/packages/foo",
                "var/lib/pacman/local/x",
            ] {
                fs::create_dir_all(orig.join(format!("{path}-{number}-1"))).unwrap();
            }
        });
        deploy(&image, label);
    };
    put("one", 1);
    put("two", 2);
    for path in ["db/pkg", "lib/opkg", "log/packages", "lib/pacman"] {
        let mounted = image.mount("subvolid=5");
        let found = fs::read_dir(mounted.path().join("state/var").join(path)).unwrap();
        assert_eq!(found.count(), 0, "{path}");
    }
    assert_eq!(inside(&image, "two", "busybox ls /var/db/pkg/sys-apps"), "foo-2-1\n");
    assert_eq!(inside(&image, "one", "busybox ls /var/lib/pacman/local"), "x-1-1\n");
}

#[test]
fn files_of_a_database_belong_to_whom_the_machine_says() {
    let place = TempDir::new().unwrap();
    let tree = place.path().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n_apt:x:100:100::/:/bin/false\n").unwrap();
    fs::write(tree.join("etc/group"), "root:x:0:\n_apt:x:100:\n").unwrap();
    let image = Image::to_be();
    write(&tree, &image.path(), 512).ok();
    put_tree(&image, "devel", |orig| {
        fs::write(orig.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n_apt:x:142:142::/:/bin/false\n")
            .unwrap();
        fs::write(orig.join("etc/group"), "root:x:0:\n_apt:x:142:\n").unwrap();
        fs::create_dir_all(orig.join("var/lib/apt/lists/partial")).unwrap();
        chown(orig.join("var/lib/apt/lists/partial"), Some(142), Some(0)).unwrap();
    });
    deploy(&image, "devel");
    let mounted = image.mount("subvolid=5");
    let kept = mounted.path().join("systems/devel/run/usr/lib/sysimage/apt/lists/partial");
    assert_eq!(fs::metadata(kept).unwrap().uid(), 100);
}

/// All lines of fstab are mounted in their order, as a system without systemd does.
#[test]
fn a_simple_mount_of_all_lines_mounts_the_database() {
    let image = image(&["app"]);
    put(&image, "devel", &["app", "new"]);
    deploy(&image, "devel");
    let attached = run(Command::new("losetup").args(["-f", "--show"]).arg(image.path())).ok();
    let script = "set -e\nmount -o subvol=systems/devel/run $1 $2\nmount --bind /dev $2/dev\nmount -t proc proc $2/proc\n\
                  chroot $2 /bin/busybox mount -a\nchroot $2 /bin/busybox grep ^Package /var/lib/dpkg/status\n\
                  chroot $2 /bin/busybox ls /var/lib\n";
    let place = TempDir::new().unwrap();
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--", "sh", "-c", script, "sh", attached.trim()]).arg(place.path());
    let done = run(&mut inside);
    run(Command::new("losetup").args(["-d", attached.trim()])).ok();
    assert_eq!(done.ok(), "Package: app\nPackage: new\ndpkg\nthing\n");
}

#[test]
fn what_an_upgrade_loses_is_named() {
    let image = image(&["app", "gone"]);
    // Nothing is lost of what only the deployment wrote, or programs make again by themselves.
    let run_of = |image: &Image, change: &dyn Fn(&Path)| {
        let mounted = image.mount("subvolid=5");
        change(&mounted.path().join("systems/factory/run"));
    };
    run_of(&image, &|run| {
        fs::create_dir_all(run.join("usr/lib/__pycache__")).unwrap();
        fs::write(run.join("usr/lib/__pycache__/x.pyc"), "x").unwrap();
        fs::write(run.join("etc/edited"), "x\n").unwrap();
        fs::write(run.join("tmp/x"), "x\n").unwrap();
    });
    put(&image, "first", &["app"]);
    let said = deploy(&image, "first").stderr;
    assert!(!said.contains("warning"), "{said}");
    run_of(&image, &|run| {
        put_kept_status(run, &["app", "gone", "htop", "both"]);
        for path in ["usr/local/bin/tool", "usr/lib/both/one", "usr/lib/both/two"] {
            fs::create_dir_all(run.join(path).parent().unwrap()).unwrap();
            fs::write(run.join(path), "by hand\n").unwrap();
        }
        fs::write(run.join("boot/vmlinuz"), "a kernel by hand\n").unwrap();
        fs::remove_file(run.join("bin/mount")).unwrap();
        for number in 10..40 {
            fs::write(run.join(format!("sbin/{number}")), "x").unwrap();
        }
    });
    put_tree(&image, "second", |orig| {
        put_status(orig, &["app", "both"]);
        fs::create_dir_all(orig.join("usr/lib/both")).unwrap();
        fs::write(orig.join("usr/lib/both/one"), "by hand\n").unwrap();
    });
    let named = [
        "packages that somebody installed in factory are not in second (dpkg): htop\n",
        "somebody added in factory what is not in second: /sbin/10, /sbin/11, /sbin/12, /sbin/13, /sbin/14, /sbin/15, /sbin/16, \
         /sbin/17, /sbin/18, /sbin/19 and 22 more\n",
        "somebody changed in factory what is as built in second: /boot/vmlinuz\n",
        "somebody removed in factory what is again in second: /bin/mount\n",
    ];
    let said = deploy(&image, "second").stderr;
    for words in named {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let said = config_sync(&image, &["merge", "factory", "second", "--dry-run"]).succeeded().stderr;
    assert!(said.contains("(dpkg): htop\n"), "{said}");
}

fn put_kept_status(run: &Path, packages: &[&str]) {
    let stanzas = packages.iter().map(|name| format!("Package: {name}\nStatus: install ok installed\n\n"));
    fs::write(run.join("usr/lib/sysimage/dpkg/status"), stanzas.collect::<String>()).unwrap();
}

#[test]
fn packages_that_several_versions_shared_are_no_loss() {
    let image = image(&["app", "kernel-1"]);
    make_it_an_older_programs(&image);
    put(&image, "devel", &["app", "kernel-2"]);
    deploy(&image, "devel");
    fs::write(
        image.mount("subvolid=5").path().join("state/var/lib/dpkg/status"),
        "Package: htop\nStatus: install ok installed\n\nPackage: kernel-2\nStatus: install ok installed\n",
    )
    .unwrap();
    put(&image, "next", &["app"]);
    let said = deploy(&image, "next").stderr;
    assert!(said.contains("are not in next (dpkg): htop\n"), "{said}");
}
