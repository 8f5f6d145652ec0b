//! Two machines that boot get a version in waves, by the role for Ansible: each fetches it, boots it on trial, and keeps it. `ansible` has what
//! fails.
//!
//! Pace: boots machines

use std::fs;
use std::thread;

use baserock_tests::bootable::{self, Tree};
use baserock_tests::client::Client;
use baserock_tests::collection::Collection;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::machine::{Machine, overlay};
use baserock_tests::programs::shell;
use baserock_tests::publisher::Publisher;
use baserock_tests::small_guest;
use baserock_tests::web::{How, Web};
use serde_json::json;
use tempfile::TempDir;

const NAMES: [&str; 2] = ["web1", "web2"];

#[test]
fn booted_machines_are_upgraded_in_waves() {
    let place = TempDir::new_in(inputs::folder()).expect("a folder beside the inputs");
    let publisher = Publisher::new(place.path().to_owned());
    let tree = |build| {
        let tree = Tree::new(build);
        // What Ansible needs on a machine: Python, as this Debian has it.
        let into = tree.path().to_str().unwrap();
        shell("sh", &["-ec", "cp -a --parents /usr/bin/python3* /usr/lib/python3.* \"$0\"", into]);
        let keys = tree.path().join("etc/baserock");
        fs::create_dir_all(&keys).unwrap();
        fs::copy(publisher.signers(), keys.join("allowed_signers")).unwrap();
        tree
    };
    let image = Image::to_be();
    bootable::write(tree(Debian::Release).path(), &image.path(), &[("DISK_SIZE", "4G")]).ok();
    small_guest::hurry(image.mount("subvolid=5").path());
    image.wait_until_detached();
    let updated = tree(Debian::Updated);
    shell("sh", &["-ec", "rm -f \"$0\"/etc/ssh/ssh_host_*", updated.path().to_str().unwrap()]);
    publisher.add(updated.path(), "v2", &[]).ok();
    let web = Web::folder(&publisher.path(), |_| How::Well);

    let mut machines = NAMES.map(|name| Machine::start(&overlay(&image.path(), place.path(), name)));
    let mut client = Client::new();
    for (name, machine) in NAMES.iter().zip(&mut machines) {
        machine.wait_until_up("");
        client = client.knows(name, machine.listens(), "");
    }
    let collection = Collection::new();
    collection.has_machines(&NAMES);
    let variables = json!({
        "rollout_waves": [1, "100%"],
        "rollout_method": "fetch",
        "rollout_url": web.url("").replace("127.0.0.1", "10.0.2.2"),
        "rollout_channel": "stable",
        "rollout_checks": ["systemctl is-active ssh", "grep -q Updated /etc/build"],
    });
    let before = machines.each_ref().map(|machine| machine.run("cat /proc/sys/kernel/random/boot_id"));
    let done = thread::scope(|scope| {
        let playing =
            scope.spawn(|| collection.play(&client, &[], "baserock.system.rollout", &variables).succeeded());
        for (machine, before) in machines.iter_mut().zip(&before) {
            machine.wait_until_up(before);
        }
        playing.join().unwrap()
    });
    for machine in &machines {
        let list = machine.run("system-version-manager list");
        assert_eq!(list, "factory\nv2 (running) (default)", "{}", done.stdout);
        assert!(machine.run("cat /proc/cmdline").contains("subvol=systems/v2/run"));
    }
    for machine in machines {
        machine.power_off();
    }
}
