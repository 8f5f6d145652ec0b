//! The state that all versions share: what a deployment adds to it, and takes back.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use baserock_tests::image::Image;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::soundness::Existing;
use baserock_tests::steps;
use baserock_tests::version::{factory_image, manage, put_tree};
use system::btrfs::{self, Access};
use system::dir::Dir;

/// A version that ships something new in many places of the shared state.
fn put_additions(image: &Image, label: &str) {
    put_tree(image, label, |orig| {
        for (path, content) in
            [("var/log/daemon/log", "new\n"), ("var/new/deep/file", "new\n"), ("root/.new", "new\n")]
        {
            let path = orig.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    });
}

fn deploy(image: &Image, label: &str) -> Done {
    manage(image, &["deploy", &format!("/systems/{label}/orig")])
}

#[test]
fn a_failed_deployment_takes_back_what_it_added() {
    let image = factory_image(512);
    fs::create_dir(image.mount("subvolid=5").path().join("state/var/log")).unwrap();
    put_additions(&image, "devel");
    let look = |image: &Image| Existing::on(image.mount("subvolid=5").path());
    let before = look(&image);
    let whole = image.copy();
    let deploy = |image: &Image| {
        let mut deploy = command("system-version-manager");
        deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/devel/orig"]);
        deploy
    };
    let steps = steps::list(&mut deploy(&whole), whole.place());
    let added = steps.iter().position(|step| step.what.ends_with("to /state/var/log/daemon")).unwrap();
    let later: Vec<_> = steps[added..]
        .iter()
        .filter(|step| ["commit /", "remove /systems/devel/.incomplete"].contains(&&*step.what))
        .collect();
    assert!(later.len() > 1, "{steps:?}");
    for step in later {
        let image = image.copy();
        let done = steps::fail(&mut deploy(&image), step.number, steps::How::Error);
        assert_eq!(done.code, 1, "{step}: {}", done.stderr);
        let found = [
            look(&image).differences(&before),
            before.harm(image.mount("subvolid=5").path(), &["devel"], baserock_tests::soundness::Times::Kept),
        ]
        .concat();
        assert!(found.is_empty(), "{step}: {found:?}");
    }
}

#[test]
fn a_subvolume_in_the_shared_state_gets_what_is_missing_in_it() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        btrfs::create(&mounted.dir().dir("state/var").unwrap(), "log").unwrap();
    }
    put_tree(&image, "devel", |orig| {
        fs::create_dir_all(orig.join("var/log/daemon")).unwrap();
        fs::write(orig.join("var/log/daemon/one"), "one\n").unwrap();
        fs::hard_link(orig.join("var/log/daemon/one"), orig.join("var/log/two")).unwrap();
        // A link from one subvolume to another cannot be made.
        fs::hard_link(orig.join("var/log/daemon/one"), orig.join("var/three")).unwrap();
    });
    deploy(&image, "devel").ok();
    let mounted = image.mount("subvolid=5");
    let inode = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(mounted.path().join("state/var").join(path)).unwrap();
        (found.dev(), found.ino())
    };
    assert_eq!(inode("log/daemon/one"), inode("log/two"));
    assert_ne!(inode("log/two").0, inode("three").0);
    assert_eq!(fs::read_to_string(mounted.path().join("state/var/three")).unwrap(), "one\n");
}

#[test]
fn what_a_killed_deployment_left_in_a_nested_subvolume_is_swept() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let var = mounted.dir().dir("state/var").unwrap();
        btrfs::create(&var, "log").unwrap();
        btrfs::create(&var.dir("log").unwrap(), "inner").unwrap();
        fs::create_dir(mounted.path().join("state/var/log/inner/.baserock-adding")).unwrap();
    }
    manage(&image, &["set-default", "factory"]).ok();
    let mounted = image.mount("subvolid=5");
    assert!(!mounted.path().join("state/var/log/inner/.baserock-adding").exists());
}

#[test]
fn a_directory_that_somebody_fixed_is_named_and_stops_nothing() {
    let image = factory_image(512);
    let chattr = |flag: &str, path: &Path| shell("chattr", &[flag, path.to_str().unwrap()]);
    {
        let mounted = image.mount("subvolid=5");
        let var = mounted.dir().dir("state/var").unwrap();
        fs::create_dir(mounted.path().join("state/var/empty")).unwrap();
        chattr("+i", &mounted.path().join("state/var/empty"));
        btrfs::create(&var, "log").unwrap();
        btrfs::set_access(&var.dir("log").unwrap(), Access::ReadOnly).unwrap();
    }
    put_tree(&image, "devel", |orig| {
        for path in ["var/empty/sshd", "var/log/daemon", "var/free"] {
            fs::create_dir_all(orig.join(path)).unwrap();
        }
    });
    let said = deploy(&image, "devel").succeeded().stderr;
    for path in ["/var/empty/sshd", "/var/log/daemon"] {
        assert!(said.contains(&format!("{path} of the new version is not added")), "{said}");
    }
    let mounted = image.mount("subvolid=5");
    assert!(mounted.path().join("state/var/free").is_dir());
    assert!(!mounted.path().join("state/var/empty/sshd").exists());
    chattr("-i", &mounted.path().join("state/var/empty"));
}

/// Makes the shared directories of a tree links, as in systems that have everything in `/var`.
fn link_into_var(orig: &Path) {
    for (name, target) in
        [("home", "var/home"), ("root", "var/roothome"), ("opt", "/var/opt"), ("srv", "usr/srv")]
    {
        let place = orig.join(name);
        if place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        symlink(target, place).unwrap();
    }
    for (path, mode) in [("var/roothome", 0o700), ("usr/srv", 0o755)] {
        fs::create_dir_all(orig.join(path)).unwrap();
        fs::set_permissions(orig.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(orig.join("var/roothome/.shipped"), "shipped\n").unwrap();
}

#[test]
fn a_shared_directory_that_is_a_link_is_mounted_where_the_link_leads() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        fs::write(mounted.path().join("state/home/joes"), "joe's\n").unwrap();
        fs::write(mounted.path().join("state/srv/data"), "data\n").unwrap();
    }
    put_tree(&image, "linked", link_into_var);
    let said = deploy(&image, "linked").succeeded().stderr;
    assert!(said.contains("/srv is a link to usr/srv in the new version"), "{said}");
    {
        let mounted = image.mount("subvolid=5");
        let fstab = fs::read_to_string(mounted.path().join("systems/linked/run/etc/fstab")).unwrap();
        let places: Vec<_> = fstab.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(places, ["/", "/var", "/var/home", "/var/opt", "/var/roothome"], "{fstab}");
        let state = mounted.path().join("state");
        assert_eq!(fs::read_to_string(state.join("root/.shipped")).unwrap(), "shipped\n");
        assert_eq!(
            fs::read_dir(state.join("var/roothome")).unwrap().count(),
            0,
            "the place of a mount has something in it"
        );
        assert_eq!(fs::metadata(state.join("var/roothome")).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(state.join("var/home").is_dir(), "a place that the tree does not have is missing");
        assert_eq!(
            fs::read_link(mounted.path().join("systems/linked/run/home")).unwrap(),
            Path::new("var/home")
        );
    }
    // Both versions see the same.
    for (label, home) in [("factory", "/home"), ("linked", "/home"), ("linked", "/var/home")] {
        let mut enter = command("enter-baserock");
        enter.arg("--volume").arg(image.path()).args(["--version", label, "--", "busybox", "cat"]);
        assert_eq!(run(enter.arg(format!("{home}/joes"))).ok(), "joe's\n", "{label} {home}");
    }
    // The next version has directories again.
    manage(&image, &["set-default", "linked"]).ok();
    put_tree(&image, "plain", |_| ());
    deploy(&image, "plain").ok();
    let fstab =
        fs::read_to_string(image.mount("subvolid=5").path().join("systems/plain/run/etc/fstab")).unwrap();
    assert!(fstab.contains(" /home btrfs") && !fstab.contains(" /var/home "), "{fstab}");
}

#[test]
fn a_tree_with_a_file_in_the_place_of_a_shared_directory_is_refused_before_anything_is_changed() {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| fs::write(orig.join("opt"), "").unwrap());
    deploy(&image, "devel").refused(&["/systems/devel/orig/opt is no directory"]);
    let mounted = image.mount("subvolid=5");
    let version = Dir::open(mounted.path().join("systems/devel")).unwrap();
    assert_eq!(version.entries().unwrap().len(), 1);
    assert!(
        !run(Command::new("ls").arg("-A").arg(mounted.path().join("systems/devel")))
            .ok()
            .contains("incomplete")
    );
}
