//! A signal ends a program within a second while it unpacks a large archive, and nothing is left behind.
//!
//! Pace: seconds

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use baserock_tests::chroot::{Place, path};
use baserock_tests::definitions::Definitions;
use baserock_tests::programs::{Done, run};

/// Archives that take seconds to unpack, each in its own way: one large file, very many small ones, and folders in each other.
const LARGE: [(&str, &str); 3] = [
    ("file", "truncate -s 600M etc/large"),
    ("files", "mkdir etc/many; cd etc/many; seq 20000 | xargs touch"),
    ("folders", "cd etc; deep=$(printf a/%.0s $(seq 300)); for i in $(seq 50); do mkdir -p $i/$deep; done"),
];

/// What every build leaves beside the artifacts.
const KEPT: [&str; 3] = [".gitignore", ".morph", ".morph/made.lock"];

/// Makes an archive of a tree that this script fills; `etc` is its first folder.
fn archive(folder: &Path, script: &str) {
    let script = format!(
        "mkdir -p tree/bin tree/etc tree/usr; cp /bin/busybox tree/bin/sh; (cd tree; {script})
        tar -C tree -c ./etc ./bin ./usr | zstd -q >large.tar.zst; rm -r tree"
    );
    run(Command::new("bash").args(["-euc", &script]).current_dir(folder)).ok();
}

/// The names in a folder and below, at most five folders deep.
fn names(folder: &Path) -> String {
    run(Command::new("find").arg(folder).args(["-mindepth", "1", "-maxdepth", "5", "-printf", "%P\n"])).stdout
}

/// Sends the signal once there is a tree that is being filled, and waits for the end.
fn interrupt(what: &str, mut child: Child, begun: impl Fn() -> bool, signal: &str) -> Done {
    let start = Instant::now();
    while !begun() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: it does not begin");
        assert!(child.try_wait().unwrap().is_none(), "{what}: it is done already");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "{what}: it is done already");
    let sent = Instant::now();
    run(Command::new("kill").args(["-s", signal, &child.id().to_string()])).ok();
    let done = Done::from(child.wait_with_output().unwrap());
    assert!(sent.elapsed() < Duration::from_secs(1), "{what}: it took {:?}", sent.elapsed());
    done
}

#[test]
fn a_chroot_that_is_added() {
    for (what, script) in LARGE {
        let place = Place::new();
        archive(place.path(), script);
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let mut command = place.manage_command();
            command.args(["add", "devel", path(&place.path().join("large.tar.zst"))]);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let incoming = place.store().join(".incoming.devel/tree/etc");
            let done = interrupt(what, child, || incoming.exists(), signal);
            assert_eq!(done.code, code, "{what}: {}", done.stderr);
            assert!(place.names().iter().all(|name| !name.contains("devel")), "{:?}", place.names());
        }
    }
}

#[test]
fn an_artifact_that_is_built() {
    for (what, script) in LARGE {
        let definitions = Definitions::with_extensions();
        let build = "build: {type: extensions/tar, TARBALL: large.tar.zst}";
        definitions.write("systems/made.morph", &format!("name: made\nkind: system\n{build}\n"));
        archive(&definitions.root(), script);
        let artifacts = definitions.path("artifacts");
        let before = names(&artifacts);
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let mut command = definitions.command(&["build", "systems/made"]);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let begun = || names(&artifacts).lines().filter(|name| name.ends_with("/etc")).count() > 1;
            let done = interrupt(what, child, begun, signal);
            assert_eq!(done.code, code, "{what}: {}", done.stderr);
            let mut left = names(&artifacts).lines().map(ToOwned::to_owned).collect::<Vec<_>>();
            left.retain(|name| !KEPT.contains(&name.as_str()) && !before.lines().any(|kept| kept == name));
            assert!(left.is_empty(), "{what}: {left:?}");
            assert!(definitions.left_over().is_empty(), "{:?}", definitions.left_over());
        }
    }
}
