//! A volume that compresses everything still boots: what boot loaders read is written plain.
//!
//! Pace: boots machines

use baserock_tests::bootable;
use baserock_tests::machine::Machine;

#[test]
fn booted_with_compression_forced() {
    let image = bootable::with_second(&[("DISK_SIZE", "6G")]);
    let mut machine = Machine::boot(&image.path());
    for (option, label, other) in
        [("compress=zstd", "devel", "factory"), ("compress-force=zstd", "third", "devel")]
    {
        let line = "$(sed -n 's/^UUID=\\([^ ]*\\) .*/\\1/p' /etc/fstab | head -n 1)";
        machine.run(&format!("uuid={line}; sed -i '\\| / |d' /etc/fstab; echo UUID=$uuid / btrfs defaults,rw,noatime,{option} 0 1 >> /etc/fstab"));
        machine.reboot();
        assert_eq!(machine.run("system-version-manager get-running"), other);
        assert!(machine.run("findmnt -no OPTIONS /").contains(&option.replace("zstd", "zstd:3")));
        bootable::put_version(&machine, label);
        machine.run(&format!("system-version-manager deploy /systems/{label}/orig && system-version-manager set-default {label}"));
        machine.reboot();
        assert_eq!(machine.run("system-version-manager get-running"), label);
    }
    machine.power_off();
}
