//! The collection for Ansible on machines that restart, and its inventory. `boot_ansible` has machines that boot.
//!
//! Pace: minutes

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use baserock_tests::client::Client;
use baserock_tests::collection::Collection;
use baserock_tests::inputs;
use baserock_tests::programs::{self, Done, run};
use baserock_tests::restarting::{Restarting, make_tree};
use baserock_tests::version::{factory_image, manage, put_tree};
use serde_json::{Value, json};
use system::uptime::uptime;

/// Machines that run `factory`, and who works on them.
struct Fleet {
    collection: Collection,
    client: Client,
    _machines: Vec<Restarting>,
}

impl Fleet {
    fn start(names: &[&str]) -> Self {
        let collection = Collection::new();
        let place = collection.place();
        let key = fs::read_to_string(inputs::ssh_key().unwrap().with_extension("pub")).unwrap();
        for (tree, limit) in [("v1", "10"), ("v2", "20"), ("v3", "30")] {
            let files = [
                ("etc/app.conf", format!("limit = {limit}\n")),
                ("etc/motd", format!("{tree}\n")),
                ("etc/baserock/allowed_signers", format!("release {key}")),
            ];
            make_tree(&place.join(tree), &files.each_ref().map(|(path, text)| (*path, text.as_str())));
        }
        let machines: Vec<_> = names.iter().map(|_| Restarting::start(&place.join("v1"))).collect();
        let known = names.iter().zip(&machines);
        let client =
            known.fold(Client::new(), |client, (name, machine)| client.knows(name, machine.listens(), ""));
        collection.has_machines(names);
        Fleet { collection, client, _machines: machines }
    }

    fn path(&self, name: &str) -> String {
        self.collection.place().join(name).to_str().unwrap().to_owned()
    }

    /// Runs something on a machine.
    fn on(&self, name: &str, command: &str) -> String {
        run(self.client.own(&mut Command::new("ssh")).args([name, command])).ok()
    }

    /// Waits until a machine runs this version.
    fn wait_for(&self, name: &str, label: &str) {
        let begun = Instant::now();
        let runs = || {
            let mut ask = Command::new("ssh");
            ask.args([name, "system-version-manager get-running"]);
            run(self.client.own(&mut ask)).stdout == format!("{label}\n")
        };
        while !runs() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{name} does not come back to {label}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Runs a playbook with these variables.
    fn play(&self, playbook: &str, variables: &Value) -> Done {
        self.play_with(&[], playbook, variables)
    }

    /// The same with options.
    fn play_with(&self, options: &[&str], playbook: &str, variables: &Value) -> Done {
        self.collection.play(&self.client, options, playbook, variables)
    }

    /// Runs a playbook that asserts what is so.
    fn passes(&self, playbook: &str, variables: &Value) {
        let _passed = self.play(playbook, variables).succeeded();
    }

    /// Puts one of the folders beside the collection on a machine, in root's home, and edits what the second tree changes too.
    fn prepare(&self, name: &str, folder: &str) {
        let send = format!("tar -C {} -c {folder} | ssh {name} tar -C /root -x", self.path(""));
        run(self.client.own(&mut Command::new("sh")).args(["-ec", &send])).ok();
        self.on(name, "echo limit = 15 >/etc/app.conf");
    }

    /// Publishes the second tree in the folder `os` beside the collection: for all machines, and in the channel `slow` for none.
    fn publish(&self) {
        let publish = |arguments: &[&str]| {
            let mut publish = programs::command("baserock-publish");
            run(publish.args(arguments).arg("--key").arg(inputs::ssh_key().unwrap())).ok();
        };
        let (repository, tree) = (self.path("os"), self.path("v2"));
        publish(&["add", &repository, &tree, "--label", "v2", "--channel", "stable"]);
        publish(&["promote", &repository, "v2", "--channel", "slow", "--percent", "0"]);
    }
}

/// A deadline in ten minutes: to machines that share its kernel, this machine has not only just started.
fn deadline() -> String {
    (uptime().unwrap().as_secs() + 600).to_string()
}

/// The numbers of a host in the last lines of a playbook: `changed` and `failed`.
#[track_caller]
fn recap(done: &Done, host: &str) -> (u32, u32) {
    let line = done
        .stdout
        .lines()
        .rev()
        .find(|line| line.starts_with(&format!("{host} ")))
        .expect("a line for the host");
    let number = |name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.expect("a number").parse().expect("a number")
    };
    (number("changed"), number("failed"))
}

#[test]
fn versions_are_made_chosen_and_removed_and_check_mode_changes_nothing() {
    let fleet = Fleet::start(&["web1"]);
    fleet.prepare("web1", "v2");
    fleet.passes("tests/playbooks/versions.yml", &json!({}));
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running) (default)\n");
    assert_eq!(recap(&fleet.play("tests/playbooks/state.yml", &json!({})).succeeded(), "web1"), (1, 0));
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running)\nv2 (default)\n");
    assert_eq!(recap(&fleet.play("tests/playbooks/state.yml", &json!({})).succeeded(), "web1"), (0, 0));
    fleet.on("web1", "system-version-manager set-default factory");
    fleet.passes("tests/playbooks/trial.yml", &json!({"deadline": deadline()}));
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory\nv2 (running) (default)\n");
}

#[test]
fn a_version_is_pushed_once() {
    let fleet = Fleet::start(&["web1"]);
    fleet.on("web1", "echo limit = 15 >/etc/app.conf");
    let trees = json!({"tree": fleet.path("v2"), "other": fleet.path("v3")});
    fleet.passes("tests/playbooks/push.yml", &trees);
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running)\nv2 (default)\n");
}

#[test]
fn a_rollout_stops_at_a_machine_that_is_not_well_and_goes_on_when_it_is() {
    let names = ["web1", "web2", "web3"];
    let fleet = Fleet::start(&names);
    let (tree, deadline) = (fleet.path("v2"), deadline());
    let roll_out = |check: &str, options: &[&str]| {
        let variables = json!({
            "rollout_waves": [2, "100%"],
            "rollout_label": "v2",
            "rollout_tree": tree,
            "rollout_deadline": deadline,
            "rollout_checks": ["test -e /etc/motd", check],
        });
        fleet.play_with(options, "baserock.system.rollout", &variables)
    };
    let list = |name| fleet.on(name, "system-version-manager list");

    for name in names {
        fleet.on(name, &format!("echo {name} >/etc/name"));
    }
    let looked = roll_out("true", &["--check", "--diff"]).succeeded();
    assert!(looked.stdout.contains("+    \"default\": \"v2\""), "{}", looked.stdout);
    for name in names {
        assert_eq!((recap(&looked, name), list(name).as_str()), ((1, 0), "factory (running) (default)\n"));
    }
    // Only web1 is ill. It is in the first wave, with web2.
    let stopped = roll_out("test $(cat /etc/name) != web1", &[]);
    assert_eq!(stopped.code, 2, "{}", stopped.stdout);
    let said = ["the check of the deployer failed", "web1 failed, so web3 stays as it is"];
    for words in said {
        assert!(stopped.stdout.contains(words), "{words:?} is not in {}", stopped.stdout);
    }
    fleet.wait_for("web1", "factory");
    assert_eq!(list("web1"), "factory (running) (default)\nv2\n");
    assert_eq!(list("web2"), "factory\nv2 (running) (default)\n");
    assert_eq!(list("web3"), "factory (running) (default)\n");

    let done = roll_out("true", &[]).succeeded();
    for (name, changed) in [("web1", 1), ("web2", 0), ("web3", 1)] {
        assert_eq!(list(name), "factory\nv2 (running) (default)\n");
        assert_eq!(recap(&done, name), (changed, 0));
        assert_eq!(fleet.on(name, "cat /etc/name"), format!("{name}\n"));
    }
    let again = roll_out("true", &[]).succeeded();
    for name in names {
        assert_eq!(recap(&again, name), (0, 0));
    }
}

#[test]
fn a_machine_that_fetches_comes_back_unless_it_is_well() {
    let fleet = Fleet::start(&["web1"]);
    fleet.publish();
    fleet.prepare("web1", "os");
    fleet.on("web1", "tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id");
    fleet.passes("tests/playbooks/fetch.yml", &json!({}));
    let roll_out = |check: &str| {
        let variables = json!({
            "rollout_method": "fetch",
            "rollout_url": "/root/os",
            "rollout_channel": "stable",
            "rollout_deadline": deadline(),
            "rollout_check_retries": 1,
            "rollout_check_delay": 1,
            "rollout_checks": ["test -e /etc/motd", check],
        });
        fleet.play("baserock.system.rollout", &variables)
    };
    let list = || fleet.on("web1", "system-version-manager list");
    let failed = roll_out("test -e /etc/none");
    assert_eq!((failed.code, recap(&failed, "web1").1), (2, 1));
    let said =
        "web1 stays with factory, because v2 has failed (Check that the machine is well): test -e /etc/none";
    assert!(failed.stdout.contains(said), "{}", failed.stdout);
    assert_eq!(list(), "factory (running) (default)\nv2\n");
    // The trial, the restart, and that it is kept.
    assert_eq!(recap(&roll_out("true").succeeded(), "web1"), (3, 0));
    assert_eq!(list(), "factory\nv2 (running) (default)\n");
    assert_eq!(recap(&roll_out("true").succeeded(), "web1"), (0, 0));
}

#[test]
fn images_are_worked_on_without_a_machine() {
    let collection = Collection::new();
    let image = factory_image(256);
    put_tree(&image, "v2", |tree| fs::write(tree.join("etc/motd"), "v2\n").unwrap());
    let work = |options: &[&str], state: &str| {
        let (volume, program) = (image.path(), programs::path("system-version-manager"));
        let what = json!({"label": "v2", "state": state, "volume": volume, "executable": program});
        let mut work = collection.command("ansible");
        work.args(options).args([
            "localhost",
            "--one-line",
            "-m",
            "baserock.system.version",
            "-a",
            &what.to_string(),
        ]);
        run(&mut work).succeeded().stdout
    };
    let would = work(&["--check"], "present");
    assert!(would.contains(r#""commands": ["deploy /systems/v2/orig"]"#), "{would}");
    // What a dry run says of /etc.
    assert!(would.contains(r#""etc": ["add motd"]"#), "{would}");
    assert_eq!(manage(&image, &["list"]).ok(), "factory (default)\n");
    for (state, outcome) in [("present", "CHANGED"), ("default", "CHANGED"), ("default", "SUCCESS")] {
        let said = work(&[], state);
        assert!(said.starts_with(&format!("localhost | {outcome} => ")), "{said}");
    }
    assert_eq!(manage(&image, &["list"]).ok(), "factory\nv2 (default)\n");
}

#[test]
fn cluster_files_are_inventories() {
    let collection = Collection::new();
    let text = "kind: cluster
systems:
- morph: systems/server.morph
  deploy-defaults: {type: extensions/rawdisk, upgrade-type: extensions/ssh-rsync, V: 1.10, W: yes}
  deploy:
    web1: &web {location: web1.img, upgrade-location: root@web1.example.org, L: [{ip: 10.0.0.1, n: 1}, yes]}
    web2: {<<: *web, upgrade-location: 'ssh://root@[fd00::2]:2222', W: no}
- morph: systems/devel-x86.morph
  deploy:
    disk: {type: rawdisk, location: disk.img}
    box: {type: ssh-rsync, location: box, UPGRADE: yes}
";
    let cluster = collection.place().join("c.morph");
    fs::write(&cluster, text).unwrap();
    let listing = collection.place().join("all.baserock.yml");
    fs::write(&listing, "plugin: baserock.system.cluster\nclusters: [c.morph]\n").unwrap();
    let list = |path: &Path| {
        let mut inventory = collection.command("ansible-inventory");
        run(inventory.args(["--list", "-i"]).arg(path))
    };
    let listed = list(&cluster).ok();
    let told: Value = serde_json::from_str(&listed).unwrap();
    let hosts = &told["_meta"]["hostvars"];
    assert_eq!(told["baserock"]["hosts"], json!(["web1", "web2", "box"]));
    assert_eq!(told["server"]["hosts"], json!(["web1", "web2"]));
    assert_eq!(told["devel_x86"]["hosts"], json!(["box"]));
    let expected = json!({
        "ansible_host": "web1.example.org", "ansible_user": "root",
        "baserock_cluster": cluster, "baserock_location": "root@web1.example.org", "baserock_system": "systems/server.morph",
        "baserock_parameters": {"V": "1.10", "W": "yes", "L": r#"[{"ip": "10.0.0.1", "n": 1}, "yes"]"#},
    });
    assert_eq!(hosts["web1"], expected);
    assert_eq!(hosts["web2"]["ansible_port"], 2222);
    assert_eq!(hosts["web2"]["ansible_host"], "fd00::2");
    assert_eq!(hosts["web2"]["baserock_parameters"]["W"], "no");
    assert_eq!(hosts["box"]["ansible_host"], "box");
    assert_eq!(list(&listing).ok().replace("/./", "/"), listed);

    for (wrong, words) in [
        ("kind: system\n", "it has no `kind: cluster`"),
        ("{", "cannot read the cluster file"),
        ("kind: cluster\nsystems: [{morph: a, deploy: {x: {K: 1, K: 2}}}]", "K is defined twice"),
        (
            "kind: cluster\nsystems: [{morph: a, deploy: {x: {type: ssh-rsync}}}]",
            "deployment x has no location",
        ),
        ("kind: cluster\nsystems: [1]", "`morph check "),
    ] {
        fs::write(&cluster, wrong).unwrap();
        let refused = list(&cluster);
        let said = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{said}");
    }
}
