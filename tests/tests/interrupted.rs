//! Whatever ends a tool, nothing is left: no mount, no loop device, no half-made version; and the same again succeeds.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use baserock_tests::image::Image;
use baserock_tests::programs::{Done, command, path, run};
use baserock_tests::version::{factory_image, manage, put_tree};

/// Starts the program stopped in its middle: `program` is an /etc merge that says that it has begun, and waits.
fn interrupted_deploy(image: &Image, signal: &str) -> Done {
    let begun = image.place().join("begun");
    let merge = image.place().join("merge");
    fs::write(&merge, format!("#!/bin/sh\ntouch {}\nexec sleep 100\n", begun.display())).unwrap();
    fs::set_permissions(&merge, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut deploy = command("system-version-manager");
    deploy.arg("--volume").arg(image.path()).args(["deploy", "/systems/devel/orig"]);
    deploy
        .env("BASEROCK_SYSTEM_CONFIG_SYNC", &merge)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let child = deploy.spawn().unwrap();
    wait_until("the merge begins", || begun.exists());
    fs::remove_file(&begun).unwrap();
    run(Command::new("kill").args([signal, &child.id().to_string()])).ok();
    Done::from(child.wait_with_output().unwrap())
}

fn wait_until(what: &str, test: impl Fn() -> bool) {
    let begun = Instant::now();
    while !test() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_detached(image: &Path) -> bool {
    let file = fs::File::open(image).unwrap();
    system::loopdev::holder(&file, image).unwrap().is_none()
}

#[test]
fn signals_undo_a_deployment() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let done = interrupted_deploy(&image, signal);
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stderr.contains("interrupted by SIG"), "{}", done.stderr);
        assert!(is_detached(&image.path()), "{signal}: the loop device stayed");
        assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
        let mounted = image.mount("subvolid=5");
        let names: Vec<_> = fs::read_dir(mounted.path().join("systems/devel"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["orig"], "{signal}");
        fs::write(mounted.path().join("systems/devel/orig/still-writable"), "").unwrap();
    }
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
}

#[test]
fn killed_in_the_middle_nothing_stays_attached_and_the_next_try_starts_over() {
    let image = factory_image(512);
    put_tree(&image, "devel", |_| {});
    let done = interrupted_deploy(&image, "-KILL");
    assert_eq!(done.code, 137);
    run(Command::new("pkill").args(["-f", "sleep 100"])).ok();
    wait_until("the loop device is gone", || is_detached(&image.path()));
    let listed = manage(&image, &["list"]);
    assert!(
        listed.stderr.contains("devel is not complete: its deployment has not ended"),
        "{}",
        listed.stderr
    );
    assert_eq!(listed.ok(), "factory (default)\n");
    manage(&image, &["set-default", "devel"]).refused(&["devel is not complete"]);
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    assert_eq!(manage(&image, &["list"]).ok(), "devel\nfactory (default)\n");
}

#[test]
fn an_image_that_is_not_finished_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    let tree = baserock_tests::inputs::busybox().unwrap();
    for signal in ["-INT", "-KILL"] {
        for delay in [10, 40, 80] {
            let mut write = Command::new(path("rawdisk-write"));
            write.args([&tree, &image]).env("DISK_SIZE", "512M").env("BOOTLOADER_INSTALL", "none");
            let child = write
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            // It may have ended already: then there is an image, whole.
            let killed = run(Command::new("kill").args([signal, &child.id().to_string()]));
            let done = child.wait_with_output().unwrap();
            if killed.code == 0 && !done.status.success() {
                assert_eq!(
                    fs::read_dir(place.path()).unwrap().count(),
                    0,
                    "{signal} after {delay} ms left something"
                );
            } else {
                fs::remove_file(&image).unwrap();
            }
        }
    }
}

#[test]
fn a_volume_that_fills_up_in_the_middle_stays_as_it_was() {
    let image = factory_image(300);
    put_tree(&image, "devel", |orig| {
        // A kernel that does not fit a second time.
        let big: Vec<u8> =
            (0..15u32 << 20).flat_map(|n| (n.wrapping_mul(2_654_435_761) ^ n >> 7).to_le_bytes()).collect();
        fs::write(orig.join("boot/vmlinuz"), big).unwrap();
        let filler = orig.join("../../../filler");
        let _full =
            run(Command::new("sh").args(["-c", &format!("cat /dev/urandom > {}; sync", filler.display())]));
    });
    manage(&image, &["deploy", "/systems/devel/orig"]).refused(&[
        "No space left on device",
        "MiB are free",
        "no version can be removed",
    ]);
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    manage(&image, &["remove", "devel"]).ok();
    let mounted = image.mount("subvolid=5");
    assert!(!mounted.path().join("systems/devel").exists());
}
