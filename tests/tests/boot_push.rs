//! A booted machine is pushed the next point release from outside, and boots it. Then it fetches one more version by itself. Its volume
//! compresses everything: what boot loaders read is written plain. `boot_first_machine` rolls back, and `boot_arm` has a push on trial.
//!
//! Pace: boots machines, begun first

use std::fs;

use baserock_tests::bootable::{self, KERNEL_ARGS, Tree};
use baserock_tests::client::Client;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::machine::Machine;
use baserock_tests::programs::{run, shell};
use baserock_tests::publisher::Publisher;
use baserock_tests::small_guest;
use baserock_tests::web::{How, Web};
use tempfile::TempDir;

const LEGACY_GPT: &str =
    "partitions: [{description: system, size: fill, filesystem: btrfs, mountpoint: /, boot: yes}]\n";

/// A volume that compresses everything.
const COMPRESSED: &str = "defaults,rw,noatime,compress-force=zstd";

#[test]
fn booted_machine_is_pushed_to_from_outside() {
    let (release, updated) = (Tree::new(Debian::Release), Tree::new(Debian::Updated));
    let image = Image::to_be();
    let file = image.place().join("disk.yaml");
    fs::write(&file, LEGACY_GPT).unwrap();
    let partitions = [("USE_PARTITIONING", "yes"), ("PARTITION_FILE", file.to_str().unwrap())];
    bootable::write(release.path(), &image.path(), &[&partitions[..], &[("DISK_SIZE", "6G")]].concat()).ok();
    small_guest::hurry(image.mount("subvolid=5").path());
    let mut machine = Machine::boot(&image.path());
    machine.run(&format!("sed -i 's|^\\(UUID=[^ ]* / btrfs \\)[^ ]*|\\1{COMPRESSED}|' /etc/fstab"));
    machine.run(&format!("mount -o remount,{COMPRESSED} /"));
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

    upgrades_itself(&mut machine, &updated);
    assert_eq!(machine.run("cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"), identity);
    assert!(machine.run("findmnt -no OPTIONS /").contains("compress-force=zstd:3"));
    machine.power_off();
}

/// The machine takes nothing that is not signed. Its timer fetches the next version, restarts into it, and keeps it, because it comes up.
fn upgrades_itself(machine: &mut Machine, tree: &Tree) {
    let place = TempDir::new_in(inputs::folder()).expect("a folder beside the inputs");
    let publisher = Publisher::new(place.path().to_owned());
    fs::write(tree.path().join("etc/build"), "Third of bookworm\n").expect("the tree");
    shell(
        "sh",
        &["-c", "rm -f \"$0\"/etc/ssh/ssh_host_*", tree.path().to_str().expect("a path that is text")],
    );
    publisher.add(tree.path(), "third", &[]).ok();
    let web = Web::folder(&publisher.path(), |_| How::Well);
    let source = web.url("").replace("127.0.0.1", "10.0.2.2");
    let keys = fs::read_to_string(publisher.signers()).expect("the keys");
    let settings = format!("source = \"{source}\"\nreboot = true\nrequire-signatures = true\n");
    let soon = "[Timer]\nOnCalendar=\nOnActiveSec=1\nRandomizedDelaySec=0\n";
    for (path, text) in [
        ("baserock/allowed_signers", keys.as_str()),
        ("baserock/upgrade.toml", &settings),
        ("systemd/system/baserock-upgrade.timer.d/soon.conf", soon),
    ] {
        machine.run(&format!("mkdir -p $(dirname /etc/{path}) && echo '{text}' > /etc/{path}"));
    }
    // A machine whose clock has lost the time.
    let now = machine.run("date +%s");
    let said = machine.run_failing("date -s 1970-01-02 && system-version-manager fetch");
    assert!(said.contains("set the clock (date), or use --allow-expired"), "{said}");
    machine.run(&format!("date -s @{now}"));
    let before = machine.run("cat /proc/sys/kernel/random/boot_id");
    machine.run("systemctl daemon-reload && systemctl start baserock-upgrade.timer");
    machine.wait_until_up(&before);
    assert_eq!(machine.run("cat /etc/build"), "Third of bookworm");
    let kept = "until system-version-manager list | grep -q 'third (running) (default)'; do sleep 1; done";
    machine.run(&format!("timeout 300 sh -c \"{kept}\""));
    let verified = machine.run("system-version-manager verify third");
    assert!(verified.contains("fetched from http://10.0.2.2") && verified.ends_with(" (own)"), "{verified}");
}
