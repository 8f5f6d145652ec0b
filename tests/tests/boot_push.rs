//! A booted machine is pushed the next point release from outside, and boots it. `boot_first_machine` rolls back, and `boot_arm` has pushes on
//! trial.
//!
//! Pace: boots machines

use baserock_tests::bootable::{self, KERNEL_ARGS, Tree};
use baserock_tests::client::Client;
use baserock_tests::image::Image;
use baserock_tests::inputs::Debian;
use baserock_tests::machine::Machine;
use baserock_tests::programs::run;
use baserock_tests::small_guest;

#[test]
fn booted_machine_is_pushed_to_from_outside() {
    let (release, updated) = (Tree::new(Debian::Release), Tree::new(Debian::Updated));
    let image = Image::to_be();
    bootable::write(release.path(), &image.path(), &[("DISK_SIZE", "6G")]).ok();
    small_guest::hurry(image.mount("subvolid=5").path());
    let mut machine = Machine::boot(&image.path());
    let client = Client::new().knows("machine", machine.listens(), "");
    machine.run("sed -i 's/name = machine/name = night-server/' /etc/vendor/vendor.conf");
    machine.run("echo 'built by hand' > /etc/build");
    let before = machine.run("cat /proc/sys/kernel/random/boot_id");
    let identity = machine.run("cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub");
    run(&mut client.check("root@machine", "next")).ok();
    let mut push = client.push(updated.path(), "root@machine", "next");
    push.env("AUTOSTART", "yes").env("KERNEL_ARGS", KERNEL_ARGS).env("BASE_ROOT", release.path());
    let said = run(&mut push).ok();
    for part in ["version next is complete", "set-default factory", "build"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    machine.wait_until_up(&before);
    assert_eq!(machine.run("system-version-manager list"), "factory\nnext (running) (default)");
    assert_eq!(machine.run("cat /etc/build"), "Updated of bookworm");
    assert!(machine.run("cat /etc/build.rej").contains("+built by hand"));
    let vendor = machine.run("cat /etc/vendor/vendor.conf");
    assert!(vendor.contains("name = night-server") && vendor.contains("limit = 20"), "{vendor}");
    assert_eq!(machine.run("cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"), identity);

    machine.power_off();
}
