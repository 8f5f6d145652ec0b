//! A volume that compresses everything still boots: what boot loaders read is written plain.
//!
//! Pace: boots machines

use baserock_tests::bootable;
use baserock_tests::machine::Machine;

#[test]
fn booted_with_compression_forced() {
    let image = bootable::with_second(&[("DISK_SIZE", "6G")]);
    let mut machine = Machine::boot(&image.path());
    let line = "$(sed -n 's/^UUID=\\([^ ]*\\) .*/\\1/p' /etc/fstab | head -n 1)";
    machine.run(&format!("uuid={line}; sed -i '\\| / |d' /etc/fstab; echo UUID=$uuid / btrfs defaults,rw,noatime,compress-force=zstd 0 1 >> /etc/fstab"));
    machine.reboot();
    assert_eq!(machine.run("system-version-manager get-running"), "factory");
    assert!(machine.run("findmnt -no OPTIONS /").contains("compress-force=zstd:3"));
    bootable::put_version(&machine, "devel");
    machine
        .run("system-version-manager deploy /systems/devel/orig && system-version-manager set-default devel");
    machine.reboot();
    assert_eq!(machine.run("system-version-manager get-running"), "devel");
    machine.power_off();
}
