//! The collection for Ansible: its sanity tests, and playbooks on machines that restart.
//!
//! Pace: minutes

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use baserock_tests::client::Client;
use baserock_tests::extensions;
use baserock_tests::programs::{Done, run, shell};
use baserock_tests::restarting::{Restarting, make_tree};
use system::uptime::uptime;
use tempfile::TempDir;

/// The collection, at a place where Ansible finds it.
struct Collection {
    place: TempDir,
}

/// Sanity tests that get their programs from the network. Where Debian has the program, it is run without `ansible-test`.
const FROM_THE_NETWORK: [&str; 8] = [
    "ansible-doc",
    "changelog",
    "import",
    "pep8",
    "pylint",
    "runtime-metadata",
    "validate-modules",
    "yamllint",
];

/// Where the programs of the sanity tests are.
const SANITY: &str = "/usr/lib/python3/dist-packages/ansible_test/_util/controller/sanity";

impl Collection {
    fn new() -> Self {
        let collection = Collection { place: tempfile::tempdir().unwrap() };
        let parent = collection.path().parent().unwrap().to_owned();
        fs::create_dir_all(&parent).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../ansible");
        shell("cp", &["-a", source, collection.path().to_str().unwrap()]);
        collection
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("ansible_collections/baserock/system")
    }

    /// A program of Debian in the collection's folder, with this collection and no other.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("/usr/bin/{program}"));
        command
            .current_dir(self.path())
            .env("ANSIBLE_COLLECTIONS_PATH", self.place.path())
            .env("ANSIBLE_INVENTORY_ENABLED", "baserock.system.cluster")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("HOME", self.place.path())
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// The files below its folders with this end.
    fn files(&self, end: &str) -> Vec<String> {
        let found =
            shell("find", &[self.path().to_str().unwrap(), "-type", "f", "-name", &format!("*{end}")]);
        let below =
            |path: &str| Path::new(path).strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
        found.lines().map(below).collect()
    }
}

#[test]
fn the_collection_passes_the_sanity_tests() {
    let collection = Collection::new();
    let mut test = collection.command("ansible-test");
    // Another Python may come first in the PATH of whoever runs this.
    test.env("PATH", "/usr/bin:/bin").args(["sanity", "--python", "default"]);
    test.args(FROM_THE_NETWORK.iter().flat_map(|name| ["--skip-test", name]));
    let _passed = run(&mut test).succeeded();
    let modules = collection.files(".py");
    let (inventory, modules): (Vec<_>, Vec<_>) = modules
        .into_iter()
        .filter(|path| !path.contains("util") && !path.contains("action"))
        .partition(|path| path.contains("inventory"));
    assert!(inventory.len() == 1 && modules.len() == 4, "{modules:?}");
    for (kind, files) in [("module", modules), ("inventory", inventory)] {
        let mut validate = collection.command("python3");
        validate.arg(format!("{SANITY}/validate-modules/validate.py"));
        validate.args(["--arg-spec", "--collection", "ansible_collections/baserock/system"]);
        validate.args(["--collection-version", "0.1.0", "--plugin-type", kind]).args(&files);
        validate
            .env("PYTHONPATH", format!("{SANITY}/validate-modules:{}", collection.place.path().display()));
        let said = run(&mut validate);
        // As tests/sanity/ignore-2.14.txt has it: the licence is another one.
        let faults: Vec<&str> =
            said.stdout.lines().filter(|line| !line.contains("missing-gplv3-license")).collect();
        assert_eq!((faults, said.stdout.lines().count()), (vec![], files.len()), "{}", said.stderr);
    }
    let mut lint = collection.command("python3");
    lint.arg(format!("{SANITY}/yamllint/yamllinter.py"));
    lint.args(collection.files(".yml"))
        .args(collection.files(".py").iter().filter(|path| path.starts_with("plugins/modules/")));
    let linted = run(&mut lint).ok();
    assert_eq!(linted.split_whitespace().collect::<String>(), r#"{"messages":[]}"#);
    let ignored = fs::read_to_string(format!("{SANITY}/pep8/current-ignore.txt")).unwrap();
    let ignored: Vec<&str> = ignored.lines().collect();
    let mut style = collection.command("pycodestyle");
    run(style.args(["--max-line-length", "160", "--ignore", &ignored.join(","), "."])).ok();
}

#[test]
fn its_documents_can_be_read_and_its_version_is_the_projects() {
    let collection = Collection::new();
    for (kind, name) in [
        ("module", "version"),
        ("module", "facts"),
        ("module", "fetch"),
        ("module", "push"),
        ("inventory", "cluster"),
    ] {
        let name = format!("baserock.system.{name}");
        let text = run(collection.command("ansible-doc").args(["--type", kind, &name])).ok();
        assert!(text.starts_with(&format!("> {} ", name.to_uppercase())), "{text}");
        assert!(text.contains("EXAMPLES"), "{text}");
    }
    let galaxy = fs::read_to_string(collection.path().join("galaxy.yml")).unwrap();
    assert!(galaxy.contains(concat!("\nversion: ", env!("CARGO_PKG_VERSION"), "\n")), "{galaxy}");
}

/// Machines that run `factory`, and who works on them.
struct Fleet {
    collection: Collection,
    client: Client,
    _machines: Vec<Restarting>,
}

impl Fleet {
    fn start(names: &[&str]) -> Self {
        let collection = Collection::new();
        let place = collection.place.path();
        for (tree, limit) in [("v1", "10"), ("v2", "20"), ("v3", "30")] {
            let files = [("etc/app.conf", format!("limit = {limit}\n")), ("etc/motd", format!("{tree}\n"))];
            make_tree(&place.join(tree), &files.each_ref().map(|(path, text)| (*path, text.as_str())));
        }
        fs::create_dir(place.join("extensions")).unwrap();
        extensions::install(&place.join("extensions"));
        let machines: Vec<_> = names.iter().map(|_| Restarting::start(&place.join("v1"))).collect();
        let known = names.iter().zip(&machines);
        let client =
            known.fold(Client::new(), |client, (name, machine)| client.knows(name, machine.listens(), ""));
        let deploy: String = names
            .iter()
            .map(|name| format!("    {name}: {{location: root@{name}, HOSTNAME: {name}}}\n"))
            .collect();
        let cluster = format!(
            "kind: cluster\nsystems:\n- morph: systems/server.morph\n  deploy-defaults: {{type: extensions/ssh-rsync}}\n  deploy:\n{deploy}"
        );
        fs::write(place.join("fleet.morph"), cluster).unwrap();
        Fleet { collection, client, _machines: machines }
    }

    fn path(&self, name: &str) -> String {
        self.collection.place.path().join(name).to_str().unwrap().to_owned()
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
    fn play(&self, playbook: &str, variables: &[(&str, &str)]) -> Done {
        let mut play = self.collection.command("ansible-playbook");
        play.args(["-i", &self.path("fleet.morph"), playbook]);
        let path = format!("{}:{}", self.path("extensions"), std::env::var("PATH").unwrap());
        play.env("PATH", path).env("ANSIBLE_PIPELINING", "1").env("ANSIBLE_SSH_ARGS", "");
        play.env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3");
        let variables: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        play.args(["-e", &serde_json::Value::from(variables).to_string()]);
        let path = play.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
        let programs = self.client.programs();
        self.client.own(&mut play).env("PATH", format!("{}:{}", programs.display(), path.to_str().unwrap()));
        run(&mut play)
    }

    /// Runs a playbook that asserts what is so.
    fn passes(&self, playbook: &str, variables: &[(&str, &str)]) {
        let _passed = self.play(playbook, variables).succeeded();
    }

    /// Puts the second tree on a machine, and edits what it changes too.
    fn prepare(&self, name: &str) {
        let send =
            format!("tar -C {} -c . | ssh {name} 'mkdir /root/v2 && tar -C /root/v2 -x'", self.path("v2"));
        run(self.client.own(&mut Command::new("sh")).args(["-ec", &send])).ok();
        self.on(name, "echo limit = 15 >/etc/app.conf");
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
    fleet.prepare("web1");
    fleet.passes("tests/playbooks/versions.yml", &[]);
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running) (default)\n");
    assert_eq!(recap(&fleet.play("tests/playbooks/state.yml", &[]).succeeded(), "web1"), (1, 0));
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running)\nv2 (default)\n");
    assert_eq!(recap(&fleet.play("tests/playbooks/state.yml", &[]).succeeded(), "web1"), (0, 0));
    fleet.on("web1", "system-version-manager set-default factory");
    fleet.passes("tests/playbooks/trial.yml", &[("deadline", &deadline())]);
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory\nv2 (running) (default)\n");
}

#[test]
fn a_version_is_pushed_once() {
    let fleet = Fleet::start(&["web1"]);
    fleet.on("web1", "echo limit = 15 >/etc/app.conf");
    let trees = [("tree", fleet.path("v2")), ("other", fleet.path("v3"))];
    fleet.passes("tests/playbooks/push.yml", &trees.each_ref().map(|(name, path)| (*name, path.as_str())));
    assert_eq!(fleet.on("web1", "system-version-manager list"), "factory (running)\nv2 (default)\n");
}

#[test]
fn a_rollout_stops_at_a_machine_that_is_not_well_and_goes_on_when_it_is() {
    let names = ["web1", "web2", "web3"];
    let fleet = Fleet::start(&names);
    let (tree, deadline) = (fleet.path("v2"), deadline());
    let roll_out = |check: &str| {
        let playbook = "tests/playbooks/rollout.yml";
        fleet.play(playbook, &[("rollout_tree", &tree), ("deadline", &deadline), ("check", check)])
    };
    let list = |name| fleet.on(name, "system-version-manager list");

    for name in names {
        fleet.on(name, &format!("echo {name} >/etc/name"));
    }
    // Only web1 is ill.
    let stopped = roll_out("test $(cat /etc/name) != web1");
    assert_ne!(stopped.code, 0);
    assert!(stopped.stdout.contains("the check of the deployer failed"), "{}", stopped.stdout);
    fleet.wait_for("web1", "factory");
    assert_eq!(list("web1"), "factory (running) (default)\nv2\n");
    for name in ["web2", "web3"] {
        assert_eq!(list(name), "factory (running) (default)\n");
    }

    let done = roll_out("test -e /etc/motd").succeeded();
    for name in names {
        assert_eq!(list(name), "factory\nv2 (running) (default)\n");
        assert_eq!(recap(&done, name), (1, 0));
        assert_eq!(fleet.on(name, "cat /etc/name"), format!("{name}\n"));
    }
    let again = roll_out("test -e /etc/motd").succeeded();
    for name in names {
        assert_eq!(recap(&again, name), (0, 0));
    }
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
    let cluster = collection.place.path().join("c.morph");
    fs::write(&cluster, text).unwrap();
    let listing = collection.place.path().join("all.baserock.yml");
    fs::write(&listing, "plugin: baserock.system.cluster\nclusters: [c.morph]\n").unwrap();
    let list = |path: &Path| {
        let mut inventory = collection.command("ansible-inventory");
        run(inventory.args(["--list", "-i"]).arg(path))
    };
    let listed = list(&cluster).ok();
    let told: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let hosts = &told["_meta"]["hostvars"];
    assert_eq!(told["baserock"]["hosts"], serde_json::json!(["web1", "web2", "box"]));
    assert_eq!(told["server"]["hosts"], serde_json::json!(["web1", "web2"]));
    assert_eq!(told["devel_x86"]["hosts"], serde_json::json!(["box"]));
    let expected = serde_json::json!({
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
