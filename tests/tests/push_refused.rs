//! What a push refuses, and what a hostile sender gets.
//!
//! Pace: minutes

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use baserock_tests::client::Client;
use baserock_tests::disk::put_loader;
use baserock_tests::programs::{self, run};
use baserock_tests::running::Running;
use baserock_tests::ssh::Target;
use baserock_tests::sshd::{Plain, Setup};
use baserock_tests::version::{factory_image, put_tree};
use baserock_tests::{inputs, programs::Done};
use delta::frame;

/// The kinds of frames that a sender begins with, and that an agent ends with.
const HELLO: u8 = 1;
const FAILED: u8 = 10;

#[test]
fn what_is_missing_or_wrong_is_named_before_anything_is_sent() {
    let image = factory_image(3072);
    put_tree(&image, "by-hand", |_| ());
    let target = Target::start(&image, "factory");
    let tree = inputs::busybox().unwrap();
    let empty = tempfile::tempdir().unwrap();
    run(target.check("v2").env("UPGRADE", "no")).refused(&["ERROR: ", "UPGRADE=yes"]);
    run(target.check("v2").env("UPGRADE", "perhaps")).refused(&["UPGRADE is \"perhaps\""]);
    run(target.check("v2").env_remove("VERSION_LABEL")).refused(&["VERSION_LABEL is not set"]);
    run(&mut target.check("a/b")).refused(&["invalid label"]);
    run(&mut target.check("factory")).refused(&["version factory exists", "system-version-manager remove"]);
    run(&mut target.check("by-hand")).refused(&["by-hand", "no upgrade has put it there"]);
    run(&mut target.push(empty.path(), "v2")).refused(&["is empty", "TEMP_ROOT"]);
    run(&mut target.push(&tree.join("bin/busybox"), "v2")).refused(&["is not a directory"]);
    run(target.push(&tree, "v2").env("BASE_ROOT", empty.path())).refused(&["BASE_ROOT"]);
    run(target.push(&tree, "v2").env("KERNEL_PATH", "boot/none")).refused(&["boot/none"]);
    run(&mut target.push_to(&tree, "v2", 1)).refused(&["cannot connect to ssh://root@target:1: ", "refused"]);
    run(target.push(&tree, "v2").env("TRIAL", "yes")).refused(&["set AUTOSTART=yes"]);
    run(target.check("v2").env("TRIAL_CHECK", "true")).refused(&["set TRIAL=yes"]);
    let trial = |mut push: Command| run(push.env("TRIAL", "yes").env("AUTOSTART", "yes"));
    trial(target.check("v2")).refused(&["cannot boot a version just once", "without TRIAL"]);
    trial(target.push(&tree, "v2")).refused(&["cannot boot a version just once", "without TRIAL"]);
    put_loader(target.system.device());
    trial(target.check("v2")).ok();
    trial(target.push(&tree, "v2")).refused(&["no unit baserock-confirm.service", "TEMP_ROOT"]);
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running) (default)\n");
    // What a failed deployment has left does not stand in the way of the next try.
    run(&mut target.push(&tree, "v2")).ok();
}

#[test]
fn machines_that_cannot_take_a_version_say_why() {
    let plain = Plain::start();
    let client = Client::new().knows("plain", plain.sshd.listens(), "");
    run(&mut client.check("root@plain", "v2")).refused(&["this is not a Baserock system", "tmpfs"]);
    drop(plain);

    let image = factory_image(768);
    for (through, words) in [
        (["setarch", "--uname-2.6"], &["the target's kernel is 2.6.", "4.19 or newer"][..]),
        (["setarch", "i686"], &["the target's architecture is i686", "agents for x86_64 only"]),
    ] {
        let target =
            Target::of(Running::start(&image, "factory"), &Setup { through: &through, ..Setup::default() });
        run(&mut target.check("v2")).refused(words);
        run(&mut target.push(&inputs::busybox().unwrap(), "v2")).refused(words);
        assert_eq!(target.system.manage(&["list"]).ok(), "factory (running) (default)\n");
    }
}

#[test]
fn senders_without_an_agent_or_a_key_are_told() {
    let image = factory_image(768);
    let target = Target::start(&image, "factory");
    let client = Client::with("IdentityFile none\n").knows("target", target.sshd.listens(), "");
    run(&mut client.check("root@target", "v2"))
        .refused(&["cannot connect to root@target: root@127.0.0.1: Permission denied (publickey"]);
    run(&mut client.check("root@nowhere.invalid", "v2")).refused(&[
        "cannot connect to root@nowhere.invalid: ssh: Could not resolve hostname nowhere.invalid",
    ]);

    let alone = tempfile::tempdir().unwrap();
    let program = alone.path().join("ssh-rsync.check");
    // By another process: a program that this one has open for writing cannot be started.
    let copy = |name: &str, to: &std::path::Path| {
        programs::shell("cp", &[programs::path(name).to_str().unwrap(), to.to_str().unwrap()]);
    };
    copy("ssh-rsync-check", &program);
    let check = || {
        let mut check = target.ssh_client(&program);
        run(check.arg("root@target").env("UPGRADE", "yes").env("VERSION_LABEL", "v2"))
    };
    check().refused(&["there is no agent in ", "BASEROCK_AGENTS"]);
    let other = alone.path().join("agents/riscv64");
    fs::create_dir_all(&other).unwrap();
    copy("baserock-agent", &other.join("baserock-agent"));
    check().refused(&["the target's architecture is x86_64", "agents for riscv64 only"]);
}

#[test]
fn connecting_and_reading_end_each_other() {
    let (client, tree) = (Client::new(), tempfile::tempdir().unwrap());
    let (asking, endless) = (client.programs().join("asking"), tree.path().join("endless"));
    File::create(&endless).unwrap().set_len(1 << 42).unwrap();
    // It shortens what is being read, and does not end by itself.
    let [process, file] = [&asking, &endless].map(|path| path.display());
    client.program("ssh", &format!("#!/bin/sh\necho $$ > {process}\nsleep 2\n: > {file}\nexec sleep 600\n"));
    run(&mut client.push(tree.path(), "root@asks", "v2"))
        .refused(&["ERROR: ", "/endless changed while it was being read"]);
    let process = fs::read_to_string(asking).unwrap();
    assert!(!Path::new("/proc").join(process.trim()).exists(), "ssh still runs");

    File::options().write(true).open(&endless).unwrap().set_len(1 << 42).unwrap();
    client.program("ssh", "#!/bin/sh\necho ssh: nobody is there >&2\nexit 255\n");
    run(&mut client.push(tree.path(), "root@nobody", "v2"))
        .refused(&["cannot connect to root@nobody: ssh: nobody is there"]);
}

#[test]
fn a_volume_without_room_is_left_alone() {
    let image = factory_image(768);
    let target = Target::start(&image, "factory");
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    let source = inputs::busybox().unwrap();
    programs::shell("cp", &["-a", source.to_str().unwrap(), tree.to_str().unwrap()]);
    fs::write(tree.join("large"), vec![7; 400 << 20]).unwrap();
    run(&mut target.push(&tree, "v2")).refused(&["version v2 needs 40", "MiB are free", "512 MiB"]);
}

#[test]
fn an_agent_that_does_not_run_is_sent_again() {
    let image = factory_image(3072);
    let target = Target::start(&image, "factory");
    run(&mut target.check("v2")).ok();
    let folder = target.system.path("root/.baserock/agents");
    let agent = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    // By a rename: the one that ran may still be ending, and a program that runs cannot be written to.
    fs::write(folder.join("empty"), "").unwrap();
    fs::rename(folder.join("empty"), &agent).unwrap();
    run(&mut target.check("v2")).ok();
    assert!(fs::metadata(&agent).unwrap().len() > 100_000);
}

/// What an agent on this machine, which is no version, says to these bytes.
fn agent_says(bytes: &[u8]) -> Done {
    let mut agent = Command::new(programs::path("baserock-agent"))
        .arg("token")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = agent.stdin.take().unwrap();
    // It may have heard enough before the end.
    let _gone = stdin.write_all(bytes);
    drop(stdin);
    let output = agent.wait_with_output().unwrap();
    let mut said = output.stdout.strip_prefix(b"token ready\n").unwrap();
    let last = frame::read(&mut said).unwrap();
    assert_eq!(last.kind, FAILED);
    Done {
        code: output.status.code().unwrap(),
        stdout: String::new(),
        stderr: String::from_utf8(last.content).unwrap(),
    }
}

#[test]
fn a_hostile_sender_gets_a_clear_error() {
    let hello = |text: &str| {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, HELLO, text.as_bytes()).unwrap();
        bytes
    };
    let good = r#"{"version":1,"label":"v2","task":{"check":{"trial":false}},"deployment":{}}"#;
    agent_says(b"").refused(&["the connection to the sender ended"]);
    agent_says(&[0xff; 100]).refused(&["a message of 4294967295 bytes"]);
    agent_says(&hello(good)[..20]).refused(&["the connection to the sender ended"]);
    agent_says(&hello("{")).refused(&["cannot understand the sender"]);
    agent_says(&hello(&good.replace(":1,", ":2,"))).refused(&["version 2 of the protocol"]);
    agent_says(&hello(&good.replace("v2", "../x"))).refused(&["invalid label"]);
    agent_says(&hello(good)).refused(&["this is not a Baserock system"]);
    let mut damaged = hello(good);
    damaged[30] ^= 1;
    agent_says(&damaged).refused(&["a message that is damaged"]);
    run(&mut Command::new(programs::path("baserock-agent"))).refused(&["started by ssh-rsync.write"]);
}
