//! A Debian for ARM64: its disk is made on x86-64, it boots by UEFI, and is pushed to from x86-64. The push is a trial.
//!
//! Pace: boots machines

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

    // The check of the deployer fails, and the machine is back in the version before; then it succeeds. It boots that often.
    let trial = |machine: &mut Machine, boots: u32| {
        let mut push = client.push(tree.path(), "root@board", "tried");
        push.env("AUTOSTART", "yes").env("TRIAL", "yes").env("TRIAL_CHECK", "test -e /srv/healthy");
        push.env("KERNEL_ARGS", KERNEL_ARGS).env("BASEROCK_AGENTS", bootable::agents());
        std::thread::scope(|scope| {
            let pushing = scope.spawn(move || run(&mut push));
            for _ in 0..boots {
                let before = machine.run("cat /proc/sys/kernel/random/boot_id");
                machine.wait_until_up(&before);
            }
            pushing.join().unwrap()
        })
    };
    std::fs::write(tree.path().join("etc/second"), "").unwrap();
    trial(&mut machine, 2)
        .refused(&["tried is not confirmed, and root@board reboots into its old version: the check failed"]);
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    machine.run("touch /srv/healthy; system-version-manager --wait remove tried");
    let said = trial(&mut machine, 1).ok();
    assert!(said.contains("tried is confirmed: it is the default of root@board now"), "{said}");
    assert_eq!(machine.run("system-version-manager list"), "factory\ntried (running) (default)");
    machine.power_off();
}
