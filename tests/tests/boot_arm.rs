//! A Debian for ARM64: its disk is made on x86-64, it boots by UEFI, and is pushed to from x86-64. The push is a trial.
//!
//! Pace: boots machines, begun first

use std::fs;
use std::os::unix::fs::symlink;

use baserock_tests::bootable::{self, Tree};
use baserock_tests::client::Client;
use baserock_tests::image::Image;
use baserock_tests::machine::{Firmware, Machine};
use baserock_tests::programs::{command, run};

/// The kernel's messages go where a test reads them.
const KERNEL_ARGS: &str = "console=ttyAMA0";

#[test]
fn a_board_is_pushed_to_on_trial() {
    let tree = Tree::for_arm();
    let image = Image::to_be();
    let mut write = command("rawdisk-write");
    write.args([tree.path(), &image.path()]).envs([("DISK_SIZE", "4G"), ("KERNEL_ARGS", KERNEL_ARGS)]);
    run(&mut write).ok();
    let mut machine = Machine::start_by(Firmware::UefiArm, &image.path(), &[]);
    machine.wait_until_up("");
    assert_eq!(machine.run("uname -m"), "aarch64");
    assert_eq!(machine.run("system-version-manager list"), "factory (running) (default)");
    let client = Client::new().knows("board", machine.listens(), "");

    // What the version needs to find itself well.
    add_check(&tree);
    machine.run("touch /srv/healthy");
    let mut push = client.push(tree.path(), "root@board", "tried");
    push.env("AUTOSTART", "yes").env("TRIAL", "yes").env("TRIAL_CHECK", "test -e /srv/healthy");
    push.env("KERNEL_ARGS", KERNEL_ARGS).env("BASEROCK_AGENTS", bootable::agents());
    let before = machine.run("cat /proc/sys/kernel/random/boot_id");
    let said = std::thread::scope(|scope| {
        let pushing = scope.spawn(move || run(&mut push));
        machine.wait_until_up(&before);
        pushing.join().unwrap().ok()
    });
    assert!(said.contains("the check has succeeded (exit status: 0)"), "{said}");
    assert!(said.contains("tried is confirmed: it is the default of root@board now"), "{said}");
    assert_eq!(machine.run("system-version-manager list"), "factory\ntried (running) (default)");
    machine.power_off();
}

/// Adds a unit that fails without `/srv/healthy`, and that a version needs to find itself well.
fn add_check(tree: &Tree) {
    let units = tree.path().join("usr/lib/systemd/system");
    let text =
        "[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/bin/test -e /srv/healthy\n";
    fs::write(units.join("check.service"), text).unwrap();
    let needed = units.join("boot-complete.target.requires");
    fs::create_dir_all(&needed).unwrap();
    symlink("../check.service", needed.join("check.service")).unwrap();
}
