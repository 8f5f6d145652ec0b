//! The whole story on a machine that boots: deployed from inside, rebooted into the new version, rolled back. `/boot` is on a FAT; `boot_trial`
//! has it on an ext4.
//!
//! Pace: boots machines

use std::fs;

use baserock_tests::bootable;
use baserock_tests::image::Image;
use baserock_tests::machine::Machine;

const BOOT_ON_FAT: &str = "\
partition_table_format: mbr
partitions:
  - {description: boot, size: 512M, fdisk_type: 0x0c, filesystem: vfat, mountpoint: /boot, boot: yes}
  - {size: fill, filesystem: btrfs, mountpoint: /}
  - {size: 64M, fdisk_type: 0x82, filesystem: swap}
";

const MANAGE: &str = "system-version-manager";

/// What belongs to accounts whose numbers differ between the two builds.
const OWNERS: &str = "find / -xdev -path /proc -prune -o -perm /6000 -type f -printf '%p %M %u %g\\n' | sort";

#[test]
fn booted_machine_is_upgraded_from_inside_and_rolled_back() {
    let image = image();
    let mut machine = Machine::boot(&image.path());
    boots_from_fat(&machine, "factory");
    factory_runs_with_shared_state(&machine);

    // The administrator's changes: one that merges, one that cannot, a file of the shared state.
    machine.run("sed -i 's/name = machine/name = night-server/' /etc/vendor/vendor.conf");
    machine.run("echo 'built by hand' > /etc/build");
    machine.run("useradd --system --create-home --home-dir /var/lib/mine mine && echo kept > /var/lib/mine/file && chown mine /var/lib/mine/file");
    pin_and_swap(&machine);
    let before = Own::look(&machine);
    packages_are_those_of_the_tree(&machine);

    bootable::put_version(&machine, "devel");
    let said = machine.run(&format!("{MANAGE} deploy /systems/devel/orig 2>&1"));
    assert!(said.contains("/swapfile"), "{said}");
    assert_eq!(machine.run(&format!("{MANAGE} list")), "devel\nfactory (running) (default)");
    machine.run(&format!("{MANAGE} set-default devel"));
    machine.run("echo late > /etc/late");
    assert!(machine.run(&format!("{MANAGE} list 2>&1")).contains("changed since"), "a late edit is named");
    machine.reboot();

    boots_from_fat(&machine, "devel");
    assert!(machine.run("cat /proc/cmdline").contains("rootflags=subvol=systems/devel/run"));
    let vendor = machine.run("cat /etc/vendor/vendor.conf");
    assert!(vendor.contains("name = night-server") && vendor.contains("limit = 20"), "{vendor}");
    assert_eq!(machine.run("cat /etc/build"), machine.run("cat /etc/build.orig"));
    assert!(machine.run("cat /etc/build.rej").contains("+built by hand"));
    assert!(machine.run("ls /etc/vendor").lines().all(|name| name != "dropped.conf"));
    before.is_kept_by(&machine);
    machine.run("until system-version-manager history devel | grep -q 'came up'; do sleep 1; done");
    let journal = machine.run("journalctl -o cat F_EVENT=deployed F_LABEL=devel");
    assert_eq!(journal, "deployed devel");
    assert_eq!(machine.run("cat /etc/late"), "late");
    assert!(machine.run("lsattr /etc/resolv.conf").starts_with("----i"));
    packages_are_those_of_the_tree(&machine);
    install_a_package(&machine);

    // Another upgrade, which nobody boots.
    pin_and_swap(&machine);
    bootable::put_version(&machine, "third");
    machine.run(&format!("{MANAGE} deploy /systems/third/orig"));
    machine.run(&format!("{MANAGE} set-default third"));
    machine.run("echo new > /etc/only-in-devel");
    machine.run(&format!("{MANAGE} set-default factory"));
    machine.reboot();
    boots_from_fat(&machine, "factory");
    assert_eq!(machine.run("cat /etc/build"), "built by hand");
    assert_eq!(machine.run("ls /etc/only-in-devel || true"), "");
    before.is_kept_by(&machine);
    packages_are_those_of_the_tree(&machine);
    machine.run_failing("dpkg-query -W mine");
    machine.run("swapon /swapfile && swapoff /swapfile");
    machine.run(&format!("{MANAGE} remove devel && {MANAGE} remove third"));
    assert_eq!(machine.run(&format!("{MANAGE} list")), "factory (running) (default)");
    assert_eq!(machine.run("ls /boot/systems"), "factory");
    machine.power_off();
}

/// A partitioned disk with the first build, and the second one beside it.
fn image() -> Image {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("disk.yaml");
    fs::write(&file, BOOT_ON_FAT).unwrap();
    let file = file.to_str().unwrap();
    bootable::with_second(&[("DISK_SIZE", "6G"), ("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file)])
}

/// The version runs, and its boot files are where the loader took them from.
fn boots_from_fat(machine: &Machine, label: &str) {
    assert_eq!(machine.run(&format!("{MANAGE} get-running")), label);
    assert_eq!(machine.run("findmnt -no FSTYPE /boot"), "vfat");
    assert!(machine.run("swapon --show=NAME --noheadings").contains("/dev/vda3"));
    machine.run(&format!("test -s /boot/systems/{label}/kernel"));
}

/// What people do that must stop no upgrade: an immutable file in `/etc`, and a swap file in use on the root.
fn pin_and_swap(machine: &Machine) {
    machine.run("chattr -f -i /etc/resolv.conf; rm -f /etc/resolv.conf && echo 'nameserver 192.0.2.1' > /etc/resolv.conf && chattr +i /etc/resolv.conf");
    machine.run("touch /swapfile && chattr +C /swapfile && chmod 600 /swapfile && fallocate -l 16M /swapfile && mkswap /swapfile && swapon /swapfile");
}

/// The package database describes the running version: its kernel, and the contents of its files.
fn packages_are_those_of_the_tree(machine: &Machine) {
    machine.run("dpkg-query -S /boot/vmlinuz-$(uname -r) | grep -F linux-image-$(uname -r)");
    // The images are without documents, and /etc is the administrator's.
    assert_eq!(machine.run("dpkg --verify | grep -v -e '^missing' -e ' c /etc/' || true"), "");
}

/// Installs a package in the running version alone.
fn install_a_package(machine: &Machine) {
    machine.run(
        "mkdir -p /tmp/mine/DEBIAN /tmp/mine/usr/share && echo mine > /tmp/mine/usr/share/mine && \
         printf '%s\\n' 'Package: mine' 'Version: 1' 'Architecture: all' 'Maintainer: me <me@localhost>' 'Description: mine' > /tmp/mine/DEBIAN/control && \
         dpkg-deb --build /tmp/mine /tmp/mine.deb && apt-get install -y /tmp/mine.deb",
    );
    assert_eq!(machine.run("dpkg-query -Wf '${Version}' mine"), "1");
}

fn factory_runs_with_shared_state(machine: &Machine) {
    assert_eq!(machine.run(&format!("{MANAGE} get-running")), "factory");
    for name in ["home", "opt", "root", "srv", "var"] {
        let root = machine.run(&format!("findmnt -no FSROOT /{name}"));
        assert_eq!(root, format!("/state/{name}"));
    }
    assert_eq!(machine.run("findmnt -no FSROOT /"), "/systems/factory/run");
}

/// What must be the machine's own in every version.
struct Own {
    identity: String,
    state: String,
    failed: usize,
    set_id: Vec<String>,
}

impl Own {
    fn look(machine: &Machine) -> Self {
        Own {
            identity: machine.run("cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"),
            // By name: the numbers in the shared state must mean the same in both versions.
            state: machine.run("find /var /root /home -xdev -user mine -printf '%p %u %g\\n' | sort; stat -c '%U:%G' /var/lib/mine /var/log/journal"),
            failed: failed_units(machine),
            set_id: machine.run(OWNERS).lines().map(str::to_owned).collect(),
        }
    }

    fn is_kept_by(&self, machine: &Machine) {
        let now = Own::look(machine);
        assert_eq!(now.identity, self.identity);
        assert_eq!(now.state, self.state);
        assert!(now.failed <= self.failed, "{}", machine.run("systemctl --failed --no-legend"));
        // The second build has more programs; those that both have belong to whom they did.
        let missing: Vec<_> = self.set_id.iter().filter(|line| !now.set_id.contains(line)).collect();
        assert!(missing.is_empty(), "changed: {missing:?}; now: {:?}", now.set_id);
        assert_eq!(machine.run("cat /var/lib/mine/file"), "kept");
        assert_eq!(machine.run("find / -xdev -nouser -o -xdev -nogroup | head"), "");
    }
}

/// Units that failed, once the boot has ended.
fn failed_units(machine: &Machine) -> usize {
    machine.run("systemctl is-system-running --wait || true");
    machine.run("systemctl --failed --no-legend | wc -l").parse().expect("a number")
}
