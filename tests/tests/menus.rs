//! Boot menus and command lines as people have them: edited by hand, and written by the original tools.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::version::{factory_image, manage, put_tree};

fn manage_with(image: &Image, variables: &[(&str, &str)], arguments: &[&str]) -> Done {
    let mut manage = command("system-version-manager");
    run(manage.arg("--volume").arg(image.path()).args(arguments).envs(variables.iter().copied()))
}

/// Deploys a new version with these variables.
fn deploy(image: &Image, label: &str, variables: &[(&str, &str)]) -> Done {
    put_tree(image, label, |_| ());
    manage_with(image, variables, &["deploy", &format!("/systems/{label}/orig")])
}

fn menu(image: &Image) -> String {
    fs::read_to_string(image.mount("subvolid=5").path().join("extlinux.conf")).unwrap()
}

fn edit(image: &Image, change: impl FnOnce(String) -> String) {
    let mounted = image.mount("subvolid=5");
    let path = mounted.path().join("extlinux/extlinux.conf");
    let text = change(fs::read_to_string(&path).unwrap());
    fs::write(&path, text).unwrap();
}

/// The command line of a version.
fn line(image: &Image, label: &str) -> String {
    let menu = menu(image);
    let entry = menu.lines().skip_while(|line| *line != format!("label {label}"));
    entry.into_iter().find_map(|line| line.strip_prefix("append ")).unwrap().to_owned()
}

#[test]
fn edits_of_the_menu_are_kept_and_said_or_named() {
    let image = factory_image(512);
    edit(&image, |text| {
        text.replace("append ", "menu label Mine\nappend ").trim_end().to_owned()
            + " nomodeset\n# for Bob\nlabel rescue\nkernel /systems/factory/kernel\nappend root=/dev/sda single\n"
    });
    let done = deploy(&image, "devel", &[]);
    assert!(
        done.stderr.contains("entry of factory: nomodeset, menu label Mine, # for Bob; kept"),
        "{}",
        done.stderr
    );
    done.ok();
    let kept = "# for Bob\n";
    assert!(menu(&image).contains(kept) && menu(&image).contains("append root=/dev/sda single\n"));
    assert!(line(&image, "factory").ends_with(" nomodeset"));
    assert!(line(&image, "devel").ends_with(" nomodeset"), "the new version inherits it");
    let given = deploy(&image, "given", &[("KERNEL_ARGS", "quiet")]);
    given.ok();
    assert!(line(&image, "given").ends_with(" quiet"));
    manage(&image, &["set-default", "devel"]).ok();
    assert!(menu(&image).contains(kept) && line(&image, "factory").ends_with(" nomodeset"));
    manage(&image, &["verify", "factory"]).ok();

    edit(&image, |text| text.replace("rootflags=subvol=systems/devel/run", "rootflags=subvol=@"));
    let done = manage(&image, &["set-default", "devel"]);
    assert!(done.stderr.contains("the boot menu no longer has: append rw"), "{}", done.stderr);
    assert!(done.stderr.contains("rootflags=subvol=@") && done.stderr.contains("devel"), "{}", done.stderr);
    assert!(line(&image, "devel").contains("rootflags=subvol=systems/devel/run "));
    let done = manage(&image, &["remove", "--force", "factory"]);
    assert!(done.stderr.contains("the entry rescue, which boots factory"), "{}", done.stderr);
    assert!(!menu(&image).contains("factory"));
}

#[test]
fn kernel_arguments_never_change_what_boots() {
    let image = factory_image(512);
    for argument in [
        "root=/dev/sdb",
        "rootfstype=ext4",
        "init=/bin/sh",
        "rw",
        "ro",
        "rootflags=ssd,subvol=@",
        "rootflags=subvolid=5",
    ] {
        put_tree(&image, "devel", |_| ());
        let variables = [("KERNEL_ARGS", &*format!("quiet {argument}"))];
        manage_with(&image, &variables, &["deploy", "/systems/devel/orig"])
            .refused(&[argument, "KERNEL_ARGS"]);
        manage(&image, &["remove", "devel"]).ok();
    }
    deploy(&image, "devel", &[("KERNEL_ARGS", "rootflags=compress=zstd:1 quiet rootflags=noatime")]).ok();
    let flags = "rootflags=subvol=systems/devel/run,compress=zstd:1,noatime ";
    assert!(line(&image, "devel").contains(flags) && line(&image, "devel").ends_with(" quiet"));
    manage(&image, &["set-default", "devel"]).ok();
    deploy(&image, "third", &[]).ok();
    assert!(line(&image, "third").contains(&flags.replace("devel", "third")), "it is inherited");
}

#[test]
fn the_default_always_has_an_entry() {
    let image = factory_image(512);
    let none = [("BOOTLOADER_CONFIG_FORMAT", "none")];
    deploy(&image, "bare", &none).ok();
    let before = menu(&image);
    manage(&image, &["set-default", "bare"]).refused(&[
        "version bare",
        "no kernel",
        "BOOTLOADER_CONFIG_FORMAT=extlinux",
    ]);
    assert_eq!((menu(&image), manage(&image, &["get-default"]).ok()), (before, "factory\n".to_owned()));
    let mut write = command("rawdisk-write");
    write.arg(inputs::busybox().unwrap()).arg(image.path()).envs(none);
    run(write.env("UPGRADE", "yes").env("VERSION_LABEL", "next")).refused(&["version next", "no kernel"]);
    assert_eq!(manage(&image, &["list"]).ok(), "bare\nfactory (default)\n");
    edit(&image, |text| text.replace("ontimeout factory", "ontimeout bare"));
    let done = manage(&image, &["remove", "bare"]);
    assert!(
        done.stderr.contains("named no default") && done.stderr.contains("boots factory"),
        "{}",
        done.stderr
    );
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
}

/// A volume as the original tools left it, with these versions and this menu.
fn original(labels: &[&str], menu: &str) -> Image {
    let image = Image::btrfs(512);
    let mounted = image.mount("subvolid=5");
    let top = mounted.path();
    fs::create_dir(top.join("systems")).unwrap();
    for label in labels {
        let version = top.join("systems").join(label);
        fs::create_dir(&version).unwrap();
        for name in ["orig", "run"] {
            shell("btrfs", &["-q", "subvolume", "create", version.join(name).to_str().unwrap()]);
            let tree = format!("{}/.", inputs::busybox().unwrap().display());
            shell("cp", &["-a", &tree, version.join(name).to_str().unwrap()]);
        }
        fs::write(version.join("kernel"), format!("kernel of {label}\n")).unwrap();
    }
    symlink(labels[0], top.join("systems/default")).unwrap();
    fs::write(top.join("extlinux.conf"), menu).unwrap();
    drop(mounted);
    image
}

const LINKED: &str = "default linux\ntimeout 1\nlabel linux\nkernel /systems/default/kernel\n\
                      append root=/dev/sda rootfstype=btrfs rootflags=subvol=systems/default/run,noatime rw init=/sbin/init quiet\n";

#[test]
fn a_label_that_no_command_line_can_carry_is_refused_by_name() {
    let image = original(&["factory", "my version", "other"], LINKED);
    manage(&image, &["set-default", "my version"]).refused(&[
        "version \"my version\"",
        "space",
        "/systems/my version",
    ]);
    assert_eq!(menu(&image), LINKED, "nothing has changed");
    for label in ["other", "factory", "other", "factory"] {
        manage(&image, &["set-default", label]).ok();
    }
    let rest = "root=/dev/sda quiet";
    for label in ["factory", "other"] {
        let flags = format!("rootflags=subvol=systems/{label}/run,noatime");
        assert_eq!(line(&image, label), format!("rw init=/sbin/init rootfstype=btrfs {flags} {rest}"));
    }
    assert!(!menu(&image).contains("my version"));

    let image = original(&["my version", "factory"], LINKED);
    put_tree(&image, "devel", |_| ());
    manage(&image, &["deploy", "/systems/devel/orig"]).refused(&["version \"my version\""]);
    assert_eq!(menu(&image), LINKED, "the volume still boots it by the link");
    manage(&image, &["set-default", "factory"]).ok();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\nmy version\n");
}

#[test]
fn the_menu_of_an_original_names_kernels_that_exist() {
    let inside = "/systems/factory/run/boot/vmlinuz";
    let text =
        LINKED.replace("/systems/default/kernel", inside).replace("systems/default/", "systems/factory/");
    let image = original(&["factory", "other"], &text);
    fs::remove_file(image.mount("subvolid=5").path().join("systems/factory/kernel")).unwrap();
    for _ in 0..2 {
        manage(&image, &["set-default", "factory"]).ok();
        assert!(
            menu(&image).contains(&format!("ontimeout factory\nlabel factory\nkernel {inside}\n")),
            "{}",
            menu(&image)
        );
    }
    // Nothing tells how the other one boots.
    manage(&image, &["set-default", "other"]).refused(&["version other", "no kernel"]);
}
