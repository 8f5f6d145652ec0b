//! Pushes that end in their middle, whatever ends them: the machine is as it was, and the same command then succeeds.
//!
//! Pace: minutes

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use baserock_tests::next::Next;
use baserock_tests::programs::{Done, run};
use baserock_tests::proxy::{Fault, Proxy};
use baserock_tests::ssh::Target;
use baserock_tests::version::factory_image;
use nix::sys::signal::{Signal, kill};

/// Bytes of the tree that travel as they are, twice what has gone over when a push is held.
const LARGE: u32 = 20_000_000;
const HELD_AFTER: u64 = 10_000_000;

/// A push that has come to its middle, and is held there.
struct Held {
    process: Child,
    proxy: Proxy,
}

impl Held {
    fn push(target: &Target, tree: &Next) -> Self {
        run(&mut target.check("v2")).ok();
        let proxy = Proxy::new(target.sshd.listens().1, Fault::Silence(HELD_AFTER));
        let mut push = target.push_to(&tree.tree(), "v2", proxy.port());
        let process = push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        proxy.wait_until_silent();
        let begun = Instant::now();
        while !has_content(target) {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing of what has arrived is kept");
            sleep(Duration::from_millis(20));
        }
        Held { process, proxy }
    }

    fn end(self) -> Done {
        Done::from(self.process.wait_with_output().expect("it ends"))
    }
}

/// Whether contents have arrived to their end: the last of the small ones has its name.
fn has_content(target: &Target) -> bool {
    target.system.top_level().path().join(".baserock/incoming/v2/tree/etc/many-60").exists()
}

/// Waits until no agent runs on the target; one that hears nothing gives up after a minute.
fn wait_for_the_agent(target: &Target) {
    let begun = Instant::now();
    while !target.agents().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(120), "the agent does not end");
        sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn nothing_has_changed_and_the_next_try_succeeds(target: &Target, tree: &Next) {
    let listed = target.system.manage(&["list"]);
    assert_eq!((listed.stdout.as_str(), listed.stderr.as_str()), ("factory (running) (default)\n", ""));
    let said = run(&mut target.push(&tree.tree(), "v2")).ok();
    assert!(said.contains("from an earlier try"), "{said}");
    target.assert_identical("v2", &tree.tree());
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running)\nv2 (default)\n");
    assert_eq!(target.incoming(), [""; 0]);
}

#[test]
fn the_sender_is_killed() {
    let (image, tree) = (factory_image(3072), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let mut held = Held::push(&target, &tree);
    held.process.kill().expect("killed");
    held.proxy.go_on();
    assert_eq!(held.end().code, 137);
    wait_for_the_agent(&target);
    nothing_has_changed_and_the_next_try_succeeds(&target, &tree);
}

#[test]
fn the_agent_is_killed() {
    let (image, tree) = (factory_image(3072), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let held = Held::push(&target, &tree);
    let agents = target.agents();
    assert_eq!(agents.len(), 1);
    kill(agents[0], Signal::SIGKILL).expect("killed");
    held.proxy.go_on();
    held.end().refused(&["the connection to the target ended; run it again"]);
    nothing_has_changed_and_the_next_try_succeeds(&target, &tree);
}

#[test]
fn the_machine_goes_down() {
    let (image, tree) = (factory_image(3072), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let held = Held::push(&target, &tree);
    drop(target);
    image.wait_until_detached();
    held.proxy.go_on();
    held.end().refused(&["connection"]);
    nothing_has_changed_and_the_next_try_succeeds(&Target::start(&image, "factory"), &tree);
}

#[test]
fn another_fills_the_disk() {
    let (image, tree) = (factory_image(1024), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let held = Held::push(&target, &tree);
    let script =
        "for size in 64M 8M 1M 64K 4K; do while fallocate -l $size $size-$((n += 1)); do :; done; done; sync";
    let filler = target.system.path("srv");
    run(Command::new("bash").args(["-c", script]).current_dir(&filler)).ok();
    held.proxy.go_on();
    held.end().refused(&["v2", "No space left on device"]);
    run(Command::new("bash").args(["-ec", "rm *M-* *K-*; sync"]).current_dir(&filler)).ok();
    nothing_has_changed_and_the_next_try_succeeds(&target, &tree);
}

#[test]
fn the_network_says_nothing_more() {
    let (image, tree) = (factory_image(3072), Next::new(LARGE));
    let target = Target::start(&image, "factory");
    let held = Held::push(&target, &tree);
    assert_eq!(target.agents().len(), 1);
    wait_for_the_agent(&target);
    // ssh and the sender are about equally patient.
    let reason = held.end().refused(&[]);
    assert!(reason.contains("silent for 60 s") || reason.contains("Timeout, server"), "{reason}");
    assert!(!reason.contains("you have mail"), "{reason}");
    nothing_has_changed_and_the_next_try_succeeds(&target, &tree);
}
