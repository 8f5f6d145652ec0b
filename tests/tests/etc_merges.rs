//! What one merge of `/etc` does on a real volume: metadata, subvolumes, links, accounts with shared files.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use baserock_tests::image::{Image, Mounted};
use baserock_tests::programs::shell;
use baserock_tests::version::{factory_image, manage, put_tree};
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use system::btrfs::{self, Access};

/// An image, and the `etc` of a version on it while it is mounted.
fn etc(mounted: &Mounted, label: &str) -> PathBuf {
    mounted.path().join("systems").join(label).join("run/etc")
}

fn deploy(image: &Image, label: &str) -> String {
    manage(image, &["deploy", &format!("/systems/{label}/orig")]).succeeded().stderr
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, before + text).unwrap();
}

/// Puts the folder's content into a new subvolume of its name.
fn into_subvolume(folder: &Path) {
    let aside = folder.with_extension("aside");
    fs::rename(folder, &aside).unwrap();
    shell("btrfs", &["-q", "subvolume", "create", folder.to_str().unwrap()]);
    shell("cp", &["-a", "--", &format!("{}/.", aside.display()), folder.to_str().unwrap()]);
    fs::remove_dir_all(aside).unwrap();
}

#[test]
fn fstab_keeps_its_owner_mode_label_and_acl() {
    let image = factory_image(512);
    let acl = [
        2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
    ]
    .into_iter()
    .chain([16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255]);
    let acl: Vec<u8> = acl.collect();
    put_tree(&image, "devel", |orig| {
        let fstab = orig.join("etc/fstab");
        fs::write(&fstab, "/dev/sdz /data ext4 defaults 0 0\n").unwrap();
        chown(&fstab, Some(0), Some(6)).unwrap();
        for (name, value) in
            [("security.selinux", &b"system_u:object_r:etc_t:s0"[..]), ("system.posix_acl_access", &acl)]
        {
            lsetxattr(&fstab, name, value, XattrFlags::empty()).unwrap();
        }
    });
    deploy(&image, "devel");
    let mounted = image.mount("subvolid=5");
    let fstab = etc(&mounted, "devel").join("fstab");
    let text = fs::read_to_string(&fstab).unwrap();
    assert!(text.contains("/data") && text.contains(" /var btrfs "), "{text}");
    let found = fs::metadata(&fstab).unwrap();
    assert_eq!((found.gid(), found.mode() & 0o7777), (6, 0o664));
    let mut value = [0; 64];
    let length = lgetxattr(&fstab, "security.selinux", &mut value).unwrap();
    assert_eq!(&value[..length], b"system_u:object_r:etc_t:s0");
    let length = lgetxattr(&fstab, "system.posix_acl_access", &mut value).unwrap();
    assert_eq!(&value[..length], acl);
}

#[test]
fn subvolumes_in_etc_are_merged_and_snapshots_stay() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let etc = etc(&mounted, "factory");
        fs::create_dir_all(etc.join("app/inner")).unwrap();
        fs::write(etc.join("app/inner/conf"), "mine\n").unwrap();
        into_subvolume(&etc.join("app/inner"));
        into_subvolume(&etc);
        into_subvolume(&etc.join("app/inner"));
        let dir = mounted.dir().dir("systems/factory/run/etc").unwrap();
        btrfs::snapshot(&dir, &dir, "kept", Access::ReadOnly).unwrap();
    }
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc/new"), "new\n").unwrap());
    let said = deploy(&image, "devel");
    assert!(said.contains("etc/kept: a snapshot is no configuration, and stays in factory"), "{said}");
    let mounted = image.mount("subvolid=5");
    let merged = etc(&mounted, "devel");
    assert_eq!(fs::read_to_string(merged.join("app/inner/conf")).unwrap(), "mine\n");
    assert!(merged.join("passwd").exists() && merged.join("new").exists());
    assert_eq!(fs::read_dir(merged.join("kept")).unwrap().count(), 0);
    assert!(
        mounted
            .path()
            .join(".baserock")
            .read_dir()
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("merging-") })
    );
    // Nothing has changed since, so there is nothing to merge again.
    drop(mounted);
    let said = manage(&image, &["set-default", "devel"]).succeeded().stderr;
    assert!(!said.contains("merged again"), "{said}");
}

#[test]
fn a_version_that_lost_its_etc_is_refused_before_anything_changes() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        fs::remove_dir_all(etc(&mounted, "factory")).unwrap();
    }
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).refused(&["factory has no /etc any more"]);
    let mounted = image.mount("subvolid=5");
    let left: Vec<_> = fs::read_dir(mounted.path().join("systems/devel")).unwrap().collect();
    assert_eq!(left.len(), 1, "only orig is there: {left:?}");
}

#[test]
fn an_fstab_that_is_a_link_is_refused() {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        let fstab = orig.join("etc/fstab");
        let _nothing_there = fs::remove_file(&fstab);
        symlink("/run/fstab", fstab).unwrap();
    });
    manage(&image, &["deploy", "/systems/devel/orig"])
        .refused(&["/systems/devel/orig/etc/fstab is a symbolic link", "make it a file"]);
}

#[test]
fn links_whose_targets_are_gone_are_named() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let run = mounted.path().join("systems/factory/run");
        fs::create_dir_all(run.join("etc/alternatives")).unwrap();
        fs::write(run.join("bin/tool-legacy"), "#!\n").unwrap();
        fs::write(run.join("bin/tool-new"), "#!\n").unwrap();
        let link = |target: &str, name: &str| symlink(target, run.join("etc").join(name)).unwrap();
        link("/bin/tool-legacy", "alternatives/tool");
        link("../bin/tool-new", "other");
        link("alternatives/tool", "second");
        link("/run/nothing", "dangled-before");
        for number in 0..12 {
            link("/bin/tool-legacy", &format!("many{number:02}"));
        }
    }
    put_tree(&image, "devel", |orig| fs::write(orig.join("bin/tool-new"), "#!\n").unwrap());
    let said = deploy(&image, "devel");
    assert!(
        said.contains("alternatives/tool (leads to /bin/tool-legacy, which the new version lacks"),
        "{said}"
    );
    assert!(!said.contains("other") && !said.contains("dangled-before"), "{said}");
    assert!(said.contains("4 more links in /etc lead to what devel lacks"), "{said}");
}

#[test]
fn hard_links_in_etc_stay_one_file() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let etc = etc(&mounted, "factory");
        fs::write(etc.join("one"), "text\n").unwrap();
        fs::hard_link(etc.join("one"), etc.join("two")).unwrap();
        fs::write(etc.join("alone"), "text\n").unwrap();
    }
    put_tree(&image, "devel", |_| {});
    deploy(&image, "devel");
    let mounted = image.mount("subvolid=5");
    let inode = |name: &str| fs::metadata(etc(&mounted, "devel").join(name)).unwrap().ino();
    assert_eq!(inode("one"), inode("two"));
    assert_ne!(inode("one"), inode("alone"));
}

#[test]
fn shared_files_follow_an_account_that_a_second_merge_moves() {
    let image = factory_image(512);
    put_tree(&image, "devel", |orig| {
        append(&orig.join("etc/passwd"), "svc:x:105:105::/var/lib/svc:/bin/false\n");
        append(&orig.join("etc/group"), "svc:x:105:\n");
        fs::create_dir_all(orig.join("var/lib/svc")).unwrap();
        fs::write(orig.join("var/lib/svc/data"), "shipped\n").unwrap();
        for path in ["var/lib/svc", "var/lib/svc/data"] {
            chown(orig.join(path), Some(105), Some(105)).unwrap();
        }
    });
    deploy(&image, "devel");
    {
        let mounted = image.mount("subvolid=5");
        let svc = mounted.path().join("state/var/lib/svc");
        fs::set_permissions(&svc, fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(svc.join("made")).unwrap();
        fs::write(svc.join("made/later"), "by the service\n").unwrap();
        fs::write(svc.join("roots"), "by root\n").unwrap();
        for path in ["made", "made/later"] {
            chown(svc.join(path), Some(105), Some(105)).unwrap();
        }
        let etc = etc(&mounted, "factory");
        append(&etc.join("passwd"), "redis:x:105:105::/:/bin/false\n");
        append(&etc.join("group"), "redis:x:105:\n");
    }
    manage(&image, &["set-default", "devel"]).ok();
    let mounted = image.mount("subvolid=5");
    let passwd = fs::read_to_string(etc(&mounted, "devel").join("passwd")).unwrap();
    assert!(passwd.contains("svc:x:999:999:") && passwd.contains("redis:x:105:105:"), "{passwd}");
    let owner = |name: &str| {
        let found = fs::metadata(mounted.path().join("state/var/lib").join(name)).unwrap();
        (found.uid(), found.gid())
    };
    for name in ["svc", "svc/data", "svc/made", "svc/made/later"] {
        assert_eq!(owner(name), (999, 999), "{name}");
    }
    assert_eq!(owner("svc/roots"), (0, 0));
}
