//! The example definitions on machines: versions of real volumes, reached by ssh under the names that the cluster files give them.
//!
//! Pace: seconds

use std::fs;

use baserock_tests::client::Client;
use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, run};
use baserock_tests::ssh::Target;
use baserock_tests::version::factory_image;

/// Machines, and the user who deploys to them.
struct Machines {
    definitions: Definitions,
    client: Client,
    running: Vec<(Target, Image)>,
}

impl Machines {
    /// Machines of these names that run `factory`.
    fn start(names: &[&str]) -> Self {
        let definitions = Definitions::example();
        let mut machines = Machines { definitions, client: Client::new(), running: Vec::new() };
        for name in names {
            let image = factory_image(1536);
            let target = Target::start(&image, "factory");
            machines.client = machines.client.knows(name, target.sshd.listens(), "");
            machines.running.push((target, image));
        }
        machines
    }

    fn morph(&self, arguments: &[&str]) -> Done {
        run(self.client.own(&mut self.definitions.command(arguments)))
    }

    fn list(&self, number: usize) -> String {
        self.running[number].0.system.manage(&["list"]).ok()
    }

    /// A file of a version as it would boot.
    fn read(&self, number: usize, path: &str) -> String {
        let top = self.running[number].0.system.top_level();
        fs::read_to_string(top.path().join("systems").join(path)).unwrap()
    }
}

#[test]
fn clusters_that_can_be_upgraded_pass_as_upgrades() {
    let machines =
        Machines::start(&["localhost board.example.org web1.example.org web2.example.org mail.example.org"]);
    for (arguments, name) in [
        (&["clusters/upgrade-devel.morph", "self.VERSION_LABEL=devel"][..], "self"),
        (
            &[
                "clusters/fleet.morph",
                "web1.VERSION_LABEL=v2",
                "web2.VERSION_LABEL=v2",
                "mail.VERSION_LABEL=v2",
            ],
            "web2",
        ),
        (&["clusters/release.morph", "release-board", "release-board.VERSION_LABEL=v2"], "release-board"),
    ] {
        let ended = machines.morph(&[&["check", "--upgrade"], arguments].concat()).succeeded();
        let checked = format!("{name}: checked; it cannot be deployed yet: there is no artifact ");
        assert!(ended.stdout.contains(&checked), "{}", ended.stdout);
    }
    assert_eq!(machines.list(0), "factory (running) (default)\n");
}

#[test]
fn the_documents_command_upgrades_this_machine() {
    let machines = Machines::start(&["localhost"]);
    machines.definitions.put_artifact("devel-system-x86_64", &inputs::busybox().unwrap());
    let command =
        ["upgrade", "clusters/upgrade-devel.morph", "self.HOSTNAME=box", "self.VERSION_LABEL=devel"];
    let ended = machines.morph(&command).succeeded();
    assert!(ended.stdout.contains("self: version devel is complete"), "{}", ended.stdout);
    assert_eq!(machines.list(0), "devel (default)\nfactory (running)\n");
    assert_eq!(machines.read(0, "devel/run/etc/hostname"), "box\n");
    assert!(machines.read(0, "devel/run/etc/motd.d/welcome").contains("This is a system to develop on"));
    assert!(machines.read(0, "devel/run/etc/ssh/sshd_config.d/root-by-key.conf").contains("PermitRootLogin"));
    assert!(machines.read(0, "../extlinux/extlinux.conf").contains("console=ttyS0"));
    let meta: serde_json::Value =
        serde_json::from_str(&machines.read(0, "devel/orig/baserock/deployment.meta")).unwrap();
    assert_eq!(meta["configuration"]["UPGRADE"], "yes");
    assert_eq!(meta["configuration"]["VERSION_LABEL"], "devel");

    machines.morph(&command).failed(&[
        "self: failed: ",
        "ssh-rsync.check failed with exit code 1",
        "version devel exists on the target",
    ]);
    assert!(machines.definitions.left_over().is_empty());
}

#[test]
fn three_machines_are_upgraded_at_once_and_one_that_is_down_stops_no_other() {
    let names = ["web1", "web2", "mail"];
    let hosts = names.map(|name| format!("{name}.example.org"));
    let mut machines = Machines::start(&hosts.each_ref().map(String::as_str));
    machines.definitions.put_artifact("server-system-x86_64", &inputs::busybox().unwrap());
    let upgrade = |machines: &Machines, label: &str| {
        let labels = names.map(|name| format!("{name}.VERSION_LABEL={label}"));
        let arguments = ["upgrade", "--jobs", "3", "clusters/fleet.morph"];
        machines.morph(&[&arguments[..], &labels.each_ref().map(String::as_str)].concat())
    };
    let ended = upgrade(&machines, "v2").succeeded();
    assert!(ended.stdout.ends_with("web1: deployed\nweb2: deployed\nmail: deployed\n"), "{}", ended.stdout);
    for (number, name) in names.into_iter().enumerate() {
        assert_eq!(machines.list(number), "factory (running)\nv2 (default)\n");
        assert_eq!(machines.read(number, "v2/run/etc/hostname"), format!("{name}\n"));
        assert!(machines.read(number, "v2/run/etc/fstab").contains("LABEL=srv /srv/data ext4"));
    }
    assert!(machines.read(1, "v2/run/etc/systemd/network/05-eth0.network").contains("Address=10.0.0.12/24"));

    let status = machines.morph(&["status", "clusters/fleet.morph"]);
    let rows: Vec<String> =
        status.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(rows.len() == 4 && rows[1].starts_with("web1 factory v2 "), "{status:?}");
    assert!(rows[3].starts_with("mail factory v2 ") && rows[3].contains(" MiB"), "{status:?}");

    drop(machines.running.remove(1));
    let status = machines.morph(&["status", "clusters/fleet.morph", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&told[0]["deployment"], &told[0]["status"]["next"]), (&"web1".into(), &"v2".into()));
    assert!(told[1]["error"].as_str().unwrap().contains("cannot connect to root@web2.example.org"), "{told}");
    status.failed(&["morph: 1 of 3 machines did not say how they stand: web2\n"]);
    let ended = upgrade(&machines, "v3");
    assert!(ended.stdout.ends_with("web1: deployed\nmail: deployed\n"), "{}", ended.stdout);
    let error = ended.failed(&["web2: failed: ", "cannot connect to root@web2.example.org: ", "refused"]);
    assert!(error.ends_with("morph: 1 of 3 deployments failed: web2\n"), "{error}");
    for number in [0, 1] {
        assert_eq!(machines.list(number), "factory (running)\nv2\nv3 (default)\n");
    }
}

#[test]
fn disks_are_asked_too() {
    let definitions = Definitions::with_extensions();
    let image = factory_image(256);
    definitions.cluster(&[
        &format!("disk: {{type: extensions/rawdisk, location: {}}}", image.path().display()),
        "archive: {type: extensions/tar, location: x.tar}",
    ]);
    let status = definitions.morph(&["status", "clusters/c.morph", "disk"]);
    assert!(status.stdout.contains("disk        factory  "), "{status:?}");
    let status = definitions.morph(&["status", "clusters/c.morph"]);
    status.failed(&["morph: 1 of 2 machines did not say how they stand: archive\n"]);
}
