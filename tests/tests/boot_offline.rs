//! An image upgraded while the machine is off boots into the new version; the menu on the serial line boots any other; and in a machine with
//! UEFI a version that is tried comes back by itself, or is confirmed.
//!
//! Pace: boots machines, begun first

use baserock_tests::bootable::{self, Tree};
use baserock_tests::image::Image;
use baserock_tests::inputs::Debian;
use baserock_tests::machine::{Firmware, Machine};

/// A disk for BIOS and UEFI.
const NEW: [(&str, &str); 2] = [("DISK_SIZE", "4G"), ("BOOTLOADER_INSTALL", "hybrid")];
/// What moves the menu's bar down and takes the entry there.
const DOWN_AND_ENTER: &[u8] = b"\x0e\r";

#[test]
fn booted_after_an_upgrade_of_the_image() {
    let image = Image::to_be();
    bootable::write(Tree::new(Debian::Release).path(), &image.path(), &NEW).ok();
    let upgrade = [("UPGRADE", "yes"), ("VERSION_LABEL", "devel"), ("MERGE_ETC", "yes")];
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
    machine.run("system-version-manager --wait set-default factory");
    machine.power_off();
    let mut machine = Machine::start_by(Firmware::Uefi, &image.path(), &[]);
    machine.wait_until_up("");
    trials(&mut machine);
    machine.power_off();
}

/// The machine runs factory. devel is tried: it does not come up, then its check fails, then it is well.
fn trials(machine: &mut Machine) {
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    let in_devel = |machine: &Machine, script: &str| {
        let device = "$(findmnt -no SOURCE / | sed 's/\\[.*//')";
        machine.run(&format!(
            "mount -o subvol=systems/devel/run {device} /mnt && cd /mnt && {script} && cd / && umount /mnt"
        ))
    };
    let boot_id = |machine: &Machine| machine.run("cat /proc/sys/kernel/random/boot_id");
    // A filesystem that is not there: the boot ends in emergency.target, and nobody can log in. Nothing in /etc of the version is edited, so
    // that what is edited late comes into it.
    let mount = r"[Unit]\nBefore=local-fs.target\n[Mount]\nWhat=none\nWhere=/srv/none\nType=ext4\n";
    in_devel(machine, &unit("srv-none.mount", mount, "local-fs.target.requires"));
    let before = boot_id(machine);
    machine.run("echo late >/etc/late; system-version-manager --wait try devel --deadline 90s");
    machine.run("echo later >/etc/later; systemctl --no-block reboot");
    machine.wait_until_up(&before);
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    let listed = machine.run("system-version-manager list 2>&1");
    assert!(listed.contains("came back"), "{listed}\n{}", machine.serial());

    // A check that fails, which boot-complete.target needs.
    let check = r"[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/bin/test -e /usr/healthy\n";
    in_devel(machine, &unit("check.service", check, "boot-complete.target.requires"));
    in_devel(machine, "rm usr/lib/systemd/system/local-fs.target.requires/srv-none.mount");
    let before = boot_id(machine);
    machine.run("system-version-manager --wait try devel; systemctl --no-block reboot");
    machine.wait_until_up(&before);
    let trial = boot_id(machine);
    assert_eq!(machine.run("system-version-manager get-running"), "devel");
    let late = machine.run("cat /etc/late /etc/later");
    assert_eq!(late, "late\nlater", "what was edited before the reboot is in the trial");
    let listed = machine.run("system-version-manager list 2>&1");
    assert!(
        listed.contains("it is running, and is not confirmed") && listed.contains("factory (default)"),
        "{listed}"
    );
    // Everything is killed but systemd, which starts the watcher again.
    let watcher = machine.run("systemctl show -P MainPID baserock-trial");
    machine.run_failing("kill -9 -1");
    machine.wait_until_up("");
    machine.run(&format!(
        "until systemctl -q is-active baserock-trial && [ \"$(systemctl show -P MainPID baserock-trial)\" != {watcher} ]; \
         do sleep 1; done"
    ));
    // A crash. Whatever ends a trial, the next boot is the default.
    machine.run(
        "echo trial >/etc/edited-in-trial; sync; (sleep 1; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &",
    );
    machine.wait_until_up(&trial);
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    // The unit that confirms trials brings the record into order, and names what stays behind.
    machine.run(
        "until system-version-manager list 2>&1 | grep -q 'devel: came back: it came up'; do sleep 1; done",
    );
    let said = machine.run("journalctl -b -u baserock-confirm");
    assert!(said.contains("edited-in-trial"), "{said}");

    in_devel(machine, "touch usr/healthy");
    for (name, text) in CHECKS {
        in_devel(machine, &unit(name, text, "boot-complete.target.requires"));
    }
    let before = boot_id(machine);
    machine.run("system-version-manager --wait try devel --reboot");
    machine.wait_until_up(&before);
    machine.run("until [ \"$(system-version-manager get-default)\" = devel ]; do sleep 1; done");
    assert_eq!(machine.run("system-version-manager get-running"), "devel");
    for (name, _) in CHECKS {
        machine.run(&format!("test $(systemctl show -P ExecMainExitTimestampMonotonic {name}) -gt 0"));
    }
}

/// The checks of `docs/booting.md`.
const CHECKS: [(&str, &str); 3] = [
    (
        "network-is-up.service",
        r"[Unit]\nAfter=network-online.target\nWants=network-online.target\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/usr/bin/ping -c 1 -w 60 10.0.2.2\n",
    ),
    (
        "ssh-is-active.service",
        r"[Unit]\nAfter=ssh.service\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/usr/bin/systemctl is-active ssh.service\n",
    ),
    (
        "space-is-left.service",
        r#"[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "[ $(df --output=avail / | tail -n 1) -gt 100000 ]"\n"#,
    ),
];

/// The commands that add a unit to the tree, as what this target needs.
fn unit(name: &str, text: &str, needed_by: &str) -> String {
    let units = "usr/lib/systemd/system";
    format!(
        "printf '{text}' >{units}/{name} && mkdir -p {units}/{needed_by} && ln -s ../{name} {units}/{needed_by}/"
    )
}
