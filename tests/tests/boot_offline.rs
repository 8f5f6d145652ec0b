//! An image upgraded while the machine is off boots into the new version; the menu on the serial line boots any other.
//!
//! Pace: boots machines

use baserock_tests::bootable::{self, Tree};
use baserock_tests::image::Image;
use baserock_tests::inputs::Debian;
use baserock_tests::machine::Machine;

/// What moves the menu's bar down and takes the entry there.
const DOWN_AND_ENTER: &[u8] = b"\x0e\r";

#[test]
fn booted_after_an_upgrade_of_the_image() {
    let image = Image::to_be();
    bootable::write(Tree::new(Debian::Release).path(), &image.path(), &[("DISK_SIZE", "4G")]).ok();
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel")];
    bootable::write(Tree::new(Debian::Updated).path(), &image.path(), &upgrade).ok();

    let mut machine = Machine::boot(&image.path());
    assert_eq!(machine.run("system-version-manager get-running"), "devel");
    assert_eq!(machine.run("cat /etc/build"), "Updated of bookworm");
    assert_eq!(machine.run("findmnt -no FSROOT /var"), "/state/var");

    let before = machine.serial().len();
    let boot = machine.run("cat /proc/sys/kernel/random/boot_id");
    machine.run("systemctl --no-block reboot");
    let down = machine.wait_for_words("reboot: Restarting system", before);
    let shown = machine.wait_for_words("devel", down);
    machine.wait_for_words("factory", shown);
    machine.press(DOWN_AND_ENTER);
    machine.wait_until_up(&boot);
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    assert_eq!(machine.run("system-version-manager get-default"), "devel");
    machine.power_off();
}
