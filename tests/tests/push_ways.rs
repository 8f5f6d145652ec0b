//! Pushes to machines that are set up as people set them up: login shells, mounts, jump hosts, passwords.
//!
//! Pace: minutes

use std::fs;
use std::process::Command;

use baserock_tests::client::Client;
use baserock_tests::image::Image;
use baserock_tests::next::Next;
use baserock_tests::programs::{Done, run};
use baserock_tests::running::Running;
use baserock_tests::ssh::Target;
use baserock_tests::sshd::{Plain, Setup};
use baserock_tests::version::factory_image;

const SMALL: u32 = 100_000;

/// What root's login shell on the machine says to a command.
fn say(target: &Target, command: &str) -> String {
    run(target.ssh_client("ssh").args(["root@target", command])).ok()
}

fn arrives(target: &Target, tree: &Next, label: &str) {
    run(&mut target.check(label)).ok();
    run(&mut target.push(&tree.tree(), label)).ok();
    target.assert_identical(label, &tree.tree());
}

#[test]
fn login_shells_may_talk_and_need_not_be_posix() {
    let (image, tree) = (factory_image(3072), Next::new(SMALL));
    let target = Target::start(&image, "factory");
    assert_eq!(say(&target, "true"), "welcome\nno newline at the end");
    arrives(&target, &tree, "noisy");
    drop(target);

    let system = Running::start(&image, "factory");
    system.add_program("/usr/bin/fish", "bin/bash");
    let target = Target::of(system, &Setup::default());
    assert_eq!(say(&target, "echo (math 6 x 7)"), "42\n");
    arrives(&target, &tree, "fish");
}

/// The machine, where no program below these folders can be run.
fn without_programs_in(image: &Image, folders: &[&str]) -> Target {
    let system = Running::start(image, "factory");
    for folder in folders {
        system.add_program("/bin/true", &format!("{folder}/program"));
        system.forbid_programs_in(folder);
    }
    let target = Target::of(system, &Setup::default());
    for folder in folders {
        let said = say(&target, &format!("/{folder}/program && echo runs || echo forbidden"));
        assert!(said.ends_with("forbidden\n"), "{folder}: {said}");
    }
    target
}

#[test]
fn programs_need_not_run_from_tmp_var_and_home() {
    let (image, tree) = (factory_image(3072), Next::new(SMALL));
    let target = without_programs_in(&image, &["tmp", "var"]);
    arrives(&target, &tree, "first");
    assert!(target.system.path("root/.baserock/agents").exists());
    drop(target);

    let target = without_programs_in(&image, &["tmp", "var", "root", "home"]);
    arrives(&target, &tree, "second");
    assert!(target.system.path(".baserock/agents").exists());
    drop(target);

    let target = without_programs_in(&image, &["root"]);
    fs::remove_dir_all(target.system.path(".baserock")).unwrap();
    fs::write(target.system.path(".baserock"), "in the way").unwrap();
    run(&mut target.check("third")).refused(&["no folder from which root can run programs"]);
}

#[test]
fn a_jump_host_leads_to_the_machine() {
    let (image, tree) = (factory_image(3072), Next::new(SMALL));
    let target = Target::start(&image, "factory");
    let jump = Plain::start();
    let client = Client::new().knows("jump", jump.sshd.listens(), "").knows(
        "inner",
        target.sshd.listens(),
        "ProxyJump jump\n",
    );
    run(&mut client.check("root@inner", "v2")).ok();
    run(&mut client.push(&tree.tree(), "root@inner", "v2")).ok();
    target.assert_identical("v2", &tree.tree());
    drop(jump);
    run(&mut client.check("root@inner", "v3")).refused(&["cannot connect to root@inner: "]);
}

#[test]
fn a_check_never_asks_for_a_password_and_a_push_may() {
    let image = factory_image(3072);
    let target = Target::start(&image, "factory");
    let client =
        Client::with("PreferredAuthentications password\n").knows("target", target.sshd.listens(), "");
    let asked = image.place().join("asked");
    client.program("askpass", &format!("#!/bin/sh\necho \"$1\" >>{}\necho wrong\n", asked.display()));
    let with_password = |mut command: Command| -> Done {
        let askpass = client.programs().join("askpass");
        run(command.env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0"))
    };
    let reason = "cannot connect to root@target: root@127.0.0.1: Permission denied (publickey,password";
    with_password(client.check("root@target", "v2")).refused(&[reason]);
    assert!(!asked.exists(), "the check has asked for a password");
    let tree = baserock_tests::inputs::busybox().unwrap();
    with_password(client.push(&tree, "root@target", "v2")).refused(&[reason]);
    assert!(fs::read_to_string(asked).unwrap().contains("password:"));
}
