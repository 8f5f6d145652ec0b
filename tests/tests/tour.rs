//! The tour of `README.md`, run as it is printed, on a small tree.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use baserock_tests::programs::{self, Done, run, shell};
use baserock_tests::running::Running;
use baserock_tests::version::manage_at;
use baserock_tests::{document, extensions, inputs};
use tempfile::TempDir;

/// A command of the tour, and the lines that are printed below it.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// The blocks of the tour, in their order.
fn tour() -> Vec<Vec<Step>> {
    let text = document::read("README.md");
    let (_, tour) = text.split_once("\n## A tour\n").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    document::blocks(tour).iter().map(|found| block(&found.text)).collect()
}

fn block(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(command) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            None => steps.last_mut().unwrap().printed.push(line.to_owned()),
        }
    }
    steps
}

impl Step {
    /// Runs it, with these words before the shell, and checks that it prints these lines, in this order, among others.
    fn run(&self, shell: &mut Command) {
        let Done { code, stdout, stderr } = run(shell.arg("-c").arg(format!("({}) 2>&1", self.command)));
        assert_eq!(code, 0, "{}: {stdout}{stderr}", self.command);
        let mut lines = stdout.lines();
        for printed in &self.printed {
            assert!(lines.any(|line| line == printed), "{}: {printed:?} is not in: {stdout}", self.command);
        }
    }

    fn reboots(&self) -> bool {
        self.command.ends_with("&& reboot")
    }
}

/// Programs of this machine that the tour uses, beside the project's.
const USED: [&str; 5] = ["bash", "btrfs", "mkdir", "mount", "tar"];
/// A capability, as the kernel keeps it: a program may open raw sockets.
const CAPABILITY: &str = "0x0100000200200000000000000000000000000000";

/// A tree of the system, with the programs that the tour uses, and this configuration of sshd.
fn tree(place: &Path, name: &str, sshd_config: &str) -> PathBuf {
    let tree = place.join(name);
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    for program in USED {
        let program = system::process::find(program).unwrap();
        let program = program.to_str().unwrap();
        let needed = shell("ldd", &[program]);
        let libraries = needed.split_whitespace().filter(|word| word.starts_with('/'));
        let inside = format!("usr/bin/{}", Path::new(program).file_name().unwrap().to_str().unwrap());
        for (from, to) in libraries.map(|path| (path, &path[1..])).chain([(program, inside.as_str())]) {
            fs::create_dir_all(tree.join(to).parent().unwrap()).unwrap();
            fs::copy(from, tree.join(to)).unwrap();
        }
    }
    fs::write(tree.join("usr/bin/reboot"), "#!/bin/sh\n").unwrap();
    shell("chmod", &["755", tree.join("usr/bin/reboot").to_str().unwrap()]);
    fs::create_dir_all(tree.join("mnt")).unwrap();
    fs::create_dir_all(tree.join("etc/ssh")).unwrap();
    fs::write(tree.join("etc/ssh/sshd_config"), sshd_config).unwrap();
    fs::write(tree.join("bin/ping"), "").unwrap();
    shell(
        "setfattr",
        &["-n", "security.capability", "-v", CAPABILITY, tree.join("bin/ping").to_str().unwrap()],
    );
    tree
}

/// Boots the default version of the disk, which is `/dev/vda` in it.
fn boot(disk: &Path, newer: &Path) -> Running {
    let label = manage_at(disk, &["get-default"]).ok();
    let running = Running::start_at(disk, label.trim());
    let dev = running.path("dev");
    shell("mount", &["-t", "tmpfs", "tmpfs", dev.to_str().unwrap()]);
    let device = running.device().to_str().unwrap().to_owned();
    let vda = dev.join("vda");
    for node in ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/loop-control", "/dev/btrfs-control", &device]
    {
        shell("cp", &["-a", node, dev.to_str().unwrap()]);
    }
    shell("cp", &["-a", &device, vda.to_str().unwrap()]);
    fs::copy(newer, running.path("newer.tar")).unwrap();
    running
}

#[test]
fn the_tour_is_as_it_is_printed() {
    let place: TempDir = tempfile::tempdir().unwrap();
    tree(place.path(), "debian", "Port 22\nUsePAM yes\n");
    let newer = tree(place.path(), "newer", "Port 22\nUsePAM no\n");
    let archive = place.path().join("newer.tar");
    run(Command::new("tar")
        .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "-C"])
        .arg(&newer)
        .arg("-cf")
        .args([&archive, Path::new(".")]))
    .ok();
    let programs = place.path().join("programs");
    fs::create_dir(&programs).unwrap();
    extensions::install(&programs);
    symlink(programs::path("system-version-manager"), programs.join("system-version-manager")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());

    let [made, upgraded, rolled_back] = <[Vec<Step>; 3]>::try_from(tour()).ok().expect("three blocks");
    for step in &made {
        step.run(Command::new("bash").current_dir(place.path()).env("PATH", &path));
    }
    let disk = place.path().join("disk.img");
    let mut running = boot(&disk, &archive);
    // The change of the administrator that the tour speaks of.
    fs::write(running.path("etc/ssh/sshd_config"), "Port 22\nUsePAM maybe\n").unwrap();
    for step in upgraded.iter().chain(&rolled_back) {
        step.run(
            running
                .command("/usr/bin/bash")
                .env("PATH", "/tmp:/usr/bin:/usr/sbin")
                .env("HOME", "/root")
                .current_dir("/"),
        );
        if step.command.starts_with("tar ") {
            let ping = running.path("mnt/systems/devel/orig/bin/ping");
            let kept =
                shell("getfattr", &["--absolute-names", "-n", "security.capability", ping.to_str().unwrap()]);
            assert!(kept.contains("security.capability="), "{kept}");
        }
        if step.reboots() {
            drop(running);
            running = boot(&disk, &archive);
        }
    }
    assert!(upgraded.iter().chain(&rolled_back).filter(|step| step.reboots()).count() == 2);
    assert_eq!(running.manage(&["list"]).ok(), "factory (running) (default)\n");
}
