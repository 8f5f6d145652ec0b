//! Versions are listed, deployed, chosen and removed on a real volume.
//!
//! Pace: seconds

use std::fs;

use baserock_tests::bound::Bound;
use baserock_tests::image::Image;
use baserock_tests::programs;
use baserock_tests::version::{config_sync, factory_image, manage, put_tree};
use system::btrfs::{self, Access};

/// A menu that the original tools wrote: one entry over the link, and nothing of ours anywhere.
fn make_it_an_originals(image: &Image) {
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    fs::remove_file(top.join("extlinux.conf")).unwrap();
    fs::remove_dir_all(top.join("extlinux")).unwrap();
    fs::remove_dir_all(top.join(".baserock")).unwrap();
    fs::remove_file(top.join("systems/factory/boot.json")).unwrap();
    let menu = "default linux\ntimeout 1\nlabel linux\nkernel /systems/default/kernel\nappend root=/dev/sda rootfstype=btrfs \
                rootflags=subvol=systems/default/run quiet init=/sbin/init rw\n";
    fs::write(top.join("extlinux.conf"), menu).unwrap();
}

fn menu(image: &Image) -> String {
    fs::read_to_string(image.mount("subvolid=5").path().join("extlinux/extlinux.conf")).unwrap()
}

#[test]
fn a_version_is_deployed_chosen_rolled_back_and_removed() {
    let image = factory_image(512);
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc/new"), "new\n").unwrap());
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
    manage(&image, &["set-default", "devel"]).ok();
    assert_eq!(manage(&image, &["get-default"]).ok(), "devel\n");
    assert!(
        menu(&image).contains("ontimeout devel\nlabel devel\nkernel /systems/devel/kernel\n"),
        "{}",
        menu(&image)
    );
    {
        let mounted = image.mount("subvolid=5");
        let top = mounted.path();
        assert_eq!(fs::read_link(top.join("systems/default")).unwrap(), std::path::Path::new("devel"));
        assert_eq!(
            fs::read_link(top.join("extlinux.conf")).unwrap(),
            std::path::Path::new("extlinux/extlinux.conf")
        );
        assert_eq!(fs::read_to_string(top.join("systems/devel/run/etc/new")).unwrap(), "new\n");
        let frozen = fs::write(top.join("systems/devel/orig/etc/new"), "other");
        assert_eq!(frozen.unwrap_err().raw_os_error(), Some(libc::EROFS), "orig is frozen");
        let names: Vec<_> =
            fs::read_dir(top.join("systems/devel")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.as_encoded_bytes().starts_with(b".")), "debris: {names:?}");
    }
    manage(&image, &["set-default", "factory"]).ok();
    manage(&image, &["rm", "devel"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    assert!(!menu(&image).contains("devel"));
}

#[test]
fn a_version_in_which_something_is_mounted_is_named_and_stays_whole() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| ());
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let data = Bound::new(&top.join("systems/devel/run/srv/data"));
    let remove = || {
        let mut command = programs::command("system-version-manager");
        programs::run(command.arg("--volume").arg(top).args(["remove", "devel"]))
    };
    remove().refused(&["/systems/devel/run/srv/data is a mount point", "unmount it first"]);
    assert!(top.join("systems/devel/kernel").exists() && top.join("systems/devel/orig").exists());
    assert!(fs::read_to_string(top.join("extlinux/extlinux.conf")).unwrap().contains("label devel"));
    data.is_whole();
    drop(data);
    remove().ok();
    assert!(!top.join("systems/devel").exists());
}

#[test]
fn etc_of_the_default_is_merged_offline_and_state_only_gets_what_is_missing() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let top = mounted.path();
        fs::write(top.join("systems/factory/run/etc/hostname"), "mine\n").unwrap();
        fs::write(top.join("systems/factory/run/etc/motd"), "by the administrator\n").unwrap();
        fs::write(top.join("state/var/lib/thing/state"), "used\n").unwrap();
        fs::remove_file(top.join("state/root/.profile")).unwrap();
    }
    put_tree(&image, "devel", |orig| {
        fs::create_dir_all(orig.join("var/lib/other/deep")).unwrap();
        fs::write(orig.join("var/lib/other/deep/file"), "shipped\n").unwrap();
        fs::create_dir_all(orig.join("var/lib/dpkg/info")).unwrap();
    });
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    let read = |path: &str| fs::read_to_string(top.join(path)).unwrap();
    assert_eq!(read("systems/devel/run/etc/hostname"), "mine\n");
    assert_eq!(read("systems/devel/run/etc/motd"), "by the administrator\n");
    assert!(read("systems/devel/run/etc/fstab").contains(" /var btrfs subvol=/state/var,"));
    assert!(read("systems/devel/merge.json").contains("\"old\": \"factory\""));
    assert_eq!(read("state/var/lib/thing/state"), "used\n");
    assert_eq!(read("state/var/lib/other/deep/file"), "shipped\n");
    assert!(!top.join("state/root/.profile").exists(), "what somebody deleted came back");
    let database = fs::read_dir(top.join("state/var/lib/dpkg")).unwrap();
    assert_eq!(database.count(), 0, "a package database was added");
    assert_eq!(fs::read_dir(top.join("systems/devel/run/var")).unwrap().count(), 0);
    assert!(top.join("systems/devel/orig/var/lib/thing").exists());
}

#[test]
fn set_default_merges_again_what_was_edited_after_the_deployment() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/late"), "late\n").unwrap();
    let done = manage(&image, &["set-default", "devel"]);
    assert!(done.stderr.contains("merged again"), "{}", done.stderr);
    done.ok();
    let late = fs::read_to_string(image.mount("subvolid=5").path().join("systems/devel/run/etc/late"));
    assert_eq!(late.unwrap(), "late\n");
}

#[test]
fn a_volume_of_the_original_tools_is_listed_upgraded_and_brought_to_the_layout() {
    let image = factory_image(512);
    make_it_an_originals(&image);
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let menu = menu(&image);
    assert!(
        menu.starts_with("default menu.c32\n") && menu.contains("ontimeout factory\nlabel factory\n"),
        "{menu}"
    );
    assert!(menu.contains("rootflags=subvol=systems/factory/run root=/dev/sda quiet\n"), "{menu}");
    assert!(menu.contains("label devel\n") && !menu.contains("linux"), "{menu}");
    manage(&image, &["set-default", "devel"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "devel (default)\nfactory\n");
}

#[test]
fn a_menu_that_is_missing_damaged_or_names_what_is_gone_is_rebuilt_aloud() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let damages: [(&str, &[u8], &str); 3] = [
        ("missing", b"", "missing"),
        ("damaged", b"timeout 50\nnonsense\n", "named no default"),
        (
            "gone",
            b"ontimeout gone\nlabel gone\nkernel /systems/gone/kernel\nappend x\n",
            "gone, which is not there",
        ),
    ];
    for (what, text, said) in damages {
        {
            let mounted = image.mount("subvolid=5");
            let path = mounted.path().join("extlinux/extlinux.conf");
            fs::remove_file(&path).unwrap();
            if !text.is_empty() {
                fs::write(&path, text).unwrap();
            }
        }
        let done = manage(&image, &["set-default", "factory"]);
        assert!(done.stderr.contains(said), "{what}: {}", done.stderr);
        done.ok();
        assert!(menu(&image).contains("ontimeout factory\n"), "{what}: {}", menu(&image));
        for label in ["factory", "devel"] {
            assert!(
                menu(&image).contains(&format!("label {label}\nkernel /systems/{label}/kernel\n")),
                "{what}"
            );
        }
    }
}

#[test]
fn sync_gives_every_other_version_the_etc_of_one() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/motd"), "for all\n").unwrap();
    config_sync(&image, &["sync", "factory"]).ok();
    let mounted = image.mount("subvolid=5");
    let devel = mounted.path().join("systems/devel");
    assert_eq!(fs::read_to_string(devel.join("run/etc/motd")).unwrap(), "for all\n");
    assert!(!devel.join("etc.before-sync/motd").exists() && devel.join("etc.before-sync/passwd").exists());
}

#[test]
fn sync_goes_on_after_a_version_whose_etc_cannot_be_replaced() {
    let image = factory_image(512);
    for label in ["a", "b", "c"] {
        put_tree(&image, label, |_| {});
        manage(&image, &["deploy", &format!("/systems/{label}/orig")]).ok();
    }
    {
        let mounted = image.mount("subvolid=5");
        let systems = mounted.path().join("systems");
        fs::write(systems.join("factory/run/etc/motd"), "for all\n").unwrap();
        for label in ["a", "b"] {
            let orig = mounted.dir().dir(format!("systems/{label}/orig")).unwrap();
            btrfs::set_access(&orig, Access::Writable).unwrap();
            fs::remove_dir_all(systems.join(label).join("orig/etc")).unwrap();
            fs::write(systems.join(label).join("orig/etc"), "no directory").unwrap();
        }
    }
    let said = config_sync(&image, &["sync", "factory"]).failed(&["/systems/a/orig/etc"]);
    assert!(said.contains("/etc of b is as it was: "), "{said}");
    let mounted = image.mount("subvolid=5");
    assert_eq!(fs::read_to_string(mounted.path().join("systems/c/run/etc/motd")).unwrap(), "for all\n");
    assert!(!mounted.path().join("systems/a/run/etc/motd").exists());
}

#[test]
fn list_as_json_has_what_is_not_complete_too() {
    let image = factory_image(512);
    put_tree(&image, "half", |_| {});
    let done = manage(&image, &["list", "--json"]);
    assert!(
        done.stdout.contains("\"format\": 1,\n    \"label\": \"half\"")
            && done.stdout.contains("\"missing\": \"it has no run\"")
    );
    let done = manage(&image, &["list"]);
    assert!(done.stderr.contains("half is not complete"), "{}", done.stderr);
    assert_eq!(done.ok(), "factory (default)\n");
}

#[test]
fn a_list_of_100_versions_opens_nothing_below_run_and_starts_nothing() {
    let image = factory_image(512);
    {
        let mounted = image.mount("subvolid=5");
        let systems = mounted.dir().dir("systems").unwrap();
        for number in 1..100 {
            let name = format!("v{number}");
            systems.make_dir(&name, 0o755).unwrap();
            for part in ["orig", "run"] {
                system::btrfs::create(&systems.dir(&name).unwrap(), part).unwrap();
            }
        }
    }
    let trace = image.place().join("trace");
    let mut list = std::process::Command::new("strace");
    list.args(["-f", "-e", "trace=openat,openat2,open,execve,clone,fork,vfork", "-o"]).arg(&trace);
    list.arg(baserock_tests::programs::path("system-version-manager"))
        .arg("--volume")
        .arg(image.path())
        .arg("list");
    let listed = baserock_tests::programs::run(&mut list).ok();
    assert_eq!(listed.lines().count(), 100);
    let trace = fs::read_to_string(trace).unwrap();
    assert!(!trace.contains("/run\"") && !trace.contains("clone("), "{trace}");
    assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
}
