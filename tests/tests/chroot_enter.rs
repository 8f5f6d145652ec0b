//! Entering: what is seen inside, what is not, and how the command's end is told.
//!
//! Pace: seconds

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Duration;

use baserock_tests::bound::Bound;
use baserock_tests::chroot::{Place, path};
use baserock_tests::programs::run;

/// The mounts of this machine that mention the store.
fn mounts(place: &Place) -> usize {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.lines().filter(|line| line.contains(path(place.path()))).count()
}

#[test]
fn exit_codes_are_the_commands_own() {
    let place = Place::with("devel");
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        assert_eq!(place.inside("devel", script).code, code, "{script}");
    }
    for (command, code, why) in [
        ("no-such-command", 127, "cannot run no-such-command: No such file or directory"),
        ("/no/such/command", 127, "cannot run /no/such/command: No such file or directory"),
        ("/etc/passwd", 126, "cannot run /etc/passwd: Permission denied"),
        ("/etc", 126, "cannot run /etc: Permission denied"),
    ] {
        let done = place.enter(["devel", "--", command]);
        assert_eq!((done.code, done.stderr.trim_end()), (code, &*format!("enter-baserock: {why}")));
    }
}

#[test]
fn the_tools_own_failures_are_125() {
    let place = Place::new();
    let fails = |arguments: &[&str], why: &str| {
        let done = place.enter(arguments);
        assert_eq!(done.code, 125, "{}", done.stderr);
        assert!(done.stderr.contains(why), "{}", done.stderr);
    };
    fails(&["devel"], "there is no chroot yet; add one with manage-baserock add");
    place.manage(["add", "devel", path(&place.busybox())]).ok();
    fails(&["other"], "there is no chroot other");
    fails(&["--bogus"], "--bogus");
    fails(&["devel", "--bind", "/no/such/path", "--", "true"], "cannot bind /no/such/path: No such file");
    fails(&["devel", "--bind", "/usr:relative", "--", "true"], "invalid --bind");
    fails(&["devel", "--user", "nobody-here", "--", "true"], "there is no user nobody-here");
    fs::remove_file(place.store().join("default")).unwrap();
    fails(&["--", "true"], "has no default chroot");
    fs::remove_dir_all(place.tree("devel")).unwrap();
    fails(&["devel", "--", "true"], "there is no chroot devel");
}

#[test]
fn a_tree_without_a_shell_or_with_odd_folders_is_an_error_not_a_way_out() {
    let place = Place::with("devel");
    let tree = place.tree("devel");
    fs::remove_file(tree.join("bin/sh")).unwrap();
    let done = place.enter(["devel"]);
    assert_eq!(done.code, 127, "{}", done.stderr);
    assert!(done.stderr.contains("there is no /bin/sh in it; run a command"), "{}", done.stderr);
    // A folder of the tree that leads outside must not be where something is mounted on the machine.
    fs::remove_dir_all(tree.join("tmp")).unwrap();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, tree.join("tmp")).unwrap();
    fs::remove_dir_all(tree.join("run")).unwrap();
    symlink("../../../../../../../../etc", tree.join("run")).unwrap();
    fs::remove_file(tree.join("etc/hosts")).ok();
    symlink("../../../../../../../var/tmp/baserock-test-hosts", tree.join("etc/hosts")).unwrap();
    let done = place.enter(["devel", "--", "busybox", "touch", "/tmp/x", "/run/baserock-test"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "{done:?}");
    for path in ["/etc/baserock-test", "/var/tmp/baserock-test-hosts"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
}

#[test]
fn nothing_of_the_hosts_environment_comes_along() {
    let place = Place::with("devel");
    let mut command = place.enter_command();
    command
        .args(["--", "env"])
        .env("SRC", "/leak")
        .env("LD_PRELOAD", "")
        .env("TERM", "screen")
        .env("http_proxy", "http://p");
    let text = run(&mut command).ok();
    let mut names: Vec<&str> = text.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["HOME", "LANG", "LOGNAME", "PATH", "PS1", "SHELL", "TERM", "USER", "debian_chroot", "http_proxy"]
    );
    for line in ["HOME=/root", "TERM=screen", "USER=root", "SHELL=/bin/sh"] {
        assert!(text.lines().any(|known| known == line), "{text}");
    }
    assert!(text.contains("PS1=(devel) "), "{text}");
}

#[test]
fn only_its_own_mounts_are_seen() {
    let place = Place::with("devel");
    let text = place.inside("devel", "cat /proc/self/mountinfo").ok();
    let targets: Vec<&str> = text.lines().map(|line| line.split(' ').nth(4).unwrap()).collect();
    // Settings of the kernel that this machine has.
    let settings = [
        "/proc/sys",
        "/proc/sysrq-trigger",
        "/proc/irq",
        "/proc/bus",
        "/proc/fs",
        "/proc/acpi",
        "/proc/scsi",
    ];
    let settings = settings.into_iter().filter(|path| std::path::Path::new(path).exists());
    let expected: Vec<&str> = ["/", "/proc", "/sys"]
        .into_iter()
        .chain(settings)
        .chain(["/dev", "/dev/pts", "/dev/shm", "/run", "/tmp", "/etc/resolv.conf", "/etc/hosts", "/src"])
        .collect();
    assert_eq!(targets, expected);
    assert_eq!(mounts(&place), 0);
    let devices = place
        .inside(
            "devel",
            "echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls /dev/fd/0 /dev/ptmx /dev/shm -d",
        )
        .ok();
    assert!(devices.starts_with("3\n"), "{devices}");
    assert_eq!(
        place.inside("devel", "cat /etc/resolv.conf").ok(),
        fs::read_to_string("/etc/resolv.conf").unwrap()
    );
    let done = place.inside("devel", "echo x >> /etc/hosts");
    assert_ne!(done.code, 0, "the host's file must not be written from inside");
}

#[test]
fn names_are_looked_up_where_resolv_conf_is_a_link_to_run() {
    let place = Place::with("devel");
    let link = place.tree("devel").join("etc/resolv.conf");
    let _missing = fs::remove_file(&link);
    symlink("../run/systemd/resolve/stub-resolv.conf", &link).unwrap();
    assert_eq!(
        place.inside("devel", "cat /etc/resolv.conf").ok(),
        fs::read_to_string("/etc/resolv.conf").unwrap()
    );
}

#[test]
fn src_is_shared_by_the_host_and_every_chroot() {
    let place = Place::with("one");
    place.manage(["clone", "one", "two"]).ok();
    let name = format!("baserock-test-{}", std::process::id());
    place.inside("one", &format!("echo shared > /src/{name}")).ok();
    assert_eq!(place.inside("two", &format!("cat /src/{name}")).ok(), "shared\n");
    fs::remove_file(format!("/src/{name}")).unwrap();
}

#[test]
fn binds_show_more_of_the_host() {
    let place = Place::with("devel");
    fs::create_dir(place.path().join("project")).unwrap();
    fs::write(place.path().join("project/file"), "content").unwrap();
    let project = place.path().join("project");
    let bind = format!("{}:/mnt/here", project.display());
    let read_only = format!("{}/file:/new/name:ro", project.display());
    let script = "cat /mnt/here/file /new/name; echo more > /mnt/here/other; echo x > /new/name";
    let done = place.enter(["devel", "--bind", &bind, "--bind", &read_only, "--", "sh", "-c", script]);
    assert!(done.stdout == "contentcontent" && done.stderr.contains("Read-only"), "{done:?}");
    assert_eq!(fs::read_to_string(project.join("other")).unwrap(), "more\n");
    assert_eq!(fs::read_to_string(project.join("file")).unwrap(), "content");
}

#[test]
fn a_user_of_the_chroot_is_become() {
    let place = Place::with("devel");
    let id = place.enter(["devel", "--user", "thing", "--", "id"]).ok();
    assert!(id.starts_with("uid=100(thing) gid=100(thing)"), "{id}");
    let id = place.enter(["devel", "--user", "100", "--", "sh", "-c", "echo $HOME $USER"]).ok();
    assert_eq!(id, "/var/lib/thing thing\n");
}

#[test]
fn arguments_arrive_as_they_are() {
    let place = Place::with("devel");
    let odd = OsStr::from_bytes(b"not\xffutf8 $HOME 'x'\n");
    let output = place
        .enter_command()
        .args(["devel", "--", "sh", "-c", "printf %s \"$1\"", "sh"])
        .arg(odd)
        .output()
        .unwrap();
    assert_eq!(output.stdout, odd.as_bytes());
    fs::write(place.tree("devel").join("bin/script"), "echo ran $1\n").unwrap();
    place.shell("chmod 755 store/devel/tree/bin/script");
    assert_eq!(place.enter(["devel", "--", "script", "well"]).ok(), "ran well\n");
}

#[test]
fn a_closed_pipe_ends_the_command_as_outside() {
    let place = Place::with("devel");
    let script = format!(
        "set -o pipefail; {} devel -- yes | head -1",
        baserock_tests::programs::path("enter-baserock").display()
    );
    let mut command = std::process::Command::new("bash");
    let done = run(command.args(["-c", &script]).env("BASEROCK_CHROOTS", place.store()));
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (141, "y\n", ""));
}

#[test]
fn several_are_inside_at_once_and_nothing_is_left_however_they_end() {
    let place = Place::with("devel");
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            let mut command = place.enter_command();
            command.args([
                "devel",
                "--",
                "sh",
                "-c",
                "echo ready > /tmp/mine; test \"$(ls /tmp)\" = mine && echo in; sleep 100; true",
            ]);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in &mut children {
        let mut line = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        assert_eq!(&line, b"in\n");
    }
    let json: serde_json::Value = serde_json::from_str(&place.manage(["list", "--json"]).ok()).unwrap();
    assert!(json[0]["in_use_by"].as_array().unwrap().len() >= 3, "{json}");
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(mounts(&place), 0);
    // What they started themselves is theirs to end.
    while !place.manage(["list", "--json"]).ok().contains("\"in_use_by\": []") {
        let json: serde_json::Value = serde_json::from_str(&place.manage(["list", "--json"]).ok()).unwrap();
        for inside in json[0]["in_use_by"].as_array().unwrap() {
            place.shell(&format!("kill -9 {} || true", inside["pid"]));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    place.manage(["rm", "devel"]).ok();
}

#[test]
fn a_terminal_that_is_not_known_inside_is_one_that_is() {
    let place = Place::with("devel");
    let inside = |kind: &str| {
        let done =
            run(place.enter_command().args(["devel", "--", "sh", "-c", "echo $TERM"]).env("TERM", kind));
        (done.stdout.trim_end().to_owned(), done.stderr)
    };
    assert_eq!(inside("strange").0, "strange", "a tree that describes no terminals takes any");
    let folder = place.tree("devel").join("usr/share/terminfo");
    fs::create_dir_all(folder.join("x")).unwrap();
    fs::write(folder.join("x/xterm"), "").unwrap();
    let (kind, words) = inside("strange");
    assert!(
        kind == "xterm" && words.contains("strange are not known inside; TERM is xterm"),
        "{kind}: {words}"
    );
    assert_eq!(inside("xterm"), ("xterm".to_owned(), String::new()));
}

#[test]
fn accounts_that_are_no_file_are_refused_at_once() {
    let place = Place::with("devel");
    let passwd = place.tree("devel").join("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    assert_eq!(place.inside("devel", "id -u").ok(), "0\n", "a tree without accounts has root");
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (what, words) in [("FIFO", "is a FIFO, not a file"), ("endless", "is a character device, not a file")]
    {
        let done = place.inside("devel", "id -u");
        assert!(done.code == 125 && done.stderr.contains(words), "{what}: {done:?}");
        fs::remove_file(&passwd).unwrap();
        symlink("/dev/zero", &passwd).unwrap();
    }
}

#[test]
fn root_inside_reaches_nothing_outside() {
    let place = Place::with("devel");
    let secret = place.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    place.shell("mknod store/devel/tree/zero c 1 5");
    let mut outside = std::process::Command::new("sleep").arg("100").spawn().unwrap();
    let script = format!(
        "cat /proc/{0}/root{1}; kill {0}; echo x > /sys/kernel/uevent_seqnum; echo 0 > /proc/sys/kernel/panic;
         mknod /disk b 8 0; mount -t tmpfs none /mnt; head -c 1 /zero; ls /proc/self/fd; cat /proc/1/environ; echo done",
        outside.id(),
        secret.display()
    );
    let mut command = std::process::Command::new("sh");
    let enter = baserock_tests::programs::path("enter-baserock");
    command.args(["-c", "exec \"$0\" devel -- sh -c \"$1\" 7<\"$2\"", path(&enter), &script, path(&secret)]);
    let done = run(command.env("BASEROCK_CHROOTS", place.store()));
    assert_eq!(done.stdout, "0\n1\n2\n3\ndone\n", "{done:?}");
    assert!(outside.try_wait().unwrap().is_none(), "the process outside was killed");
    outside.kill().unwrap();
    outside.wait().unwrap();
    let script = format!("head -c 1 /zero | wc -c; test -d /proc/{} && echo seen", std::process::id());
    let all = place.enter(["devel", "--privileged", "--", "sh", "-c", &script]);
    assert_eq!(all.ok(), "1\nseen\n");
}

#[test]
fn a_copy_is_thrown_away_however_it_ends() {
    let place = Place::with("devel");
    let done = place.enter(["devel", "--ephemeral", "--", "sh", "-c", "rm /bin/sh; echo x > /new; exit 3"]);
    assert_eq!(done.code, 3, "{done:?}");
    let mut child =
        place.enter_command().args(["devel", "--ephemeral", "--", "sleep", "100"]).spawn().unwrap();
    while place.names().len() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    place.shell(&format!("kill {}", child.id()));
    assert!(!child.wait().unwrap().success());
    assert_eq!(place.names(), ["default", "devel"]);
    assert!(!place.tree("devel").join("new").exists() && place.tree("devel").join("bin/sh").exists());
}

#[test]
fn network_and_devices_are_as_asked_for() {
    let place = Place::with("devel");
    let script = "tail -n +3 /proc/net/dev | cut -d : -f 1; ls /dev/fuse";
    let without = place.enter(["devel", "--no-network", "--", "sh", "-c", script]);
    assert_eq!(without.stdout.trim(), "lo", "{without:?}");
    assert!(without.code != 0, "{without:?}");
    place.enter(["devel", "--device", "full", "--", "test", "-c", "/dev/full"]).ok();
    let none = place.enter(["devel", "--device", "../etc", "--", "true"]);
    assert!(none.code == 125 && none.stderr.contains("is no device below /dev"), "{none:?}");
}

#[test]
fn binds_take_the_mounts_below_and_names_with_colons() {
    let place = Place::with("devel");
    let host = place.path().join("a:b");
    fs::create_dir_all(host.join("sub")).unwrap();
    fs::write(
        host.join("sub/file"),
        "hidden
",
    )
    .unwrap();
    let _bound = Bound::new(&host.join("sub"));
    fs::write(host.join("sub/file"), "below\n").unwrap();
    for (suffix, writable) in [("", true), (":ro", false)] {
        let bind = format!("{}:/mnt{suffix}", path(&host).replace(':', "\\:"));
        let done = place.enter([
            "devel",
            "--bind",
            &bind,
            "--",
            "sh",
            "-c",
            "cat /mnt/sub/file; echo x > /mnt/sub/new",
        ]);
        assert_eq!((done.stdout.as_str(), done.code == 0), ("below\n", writable), "{done:?}");
    }
}

#[test]
fn a_user_who_cannot_pass_the_top_folder_is_told() {
    let place = Place::with("devel");
    place.shell("chmod 700 store/devel/tree");
    let done = place.enter(["devel", "--user", "thing", "--", "true"]);
    assert_eq!(done.code, 125);
    assert!(done.stderr.contains("has mode 700, so thing can reach nothing in it"), "{}", done.stderr);
}

#[test]
fn the_version_is_that_of_the_program() {
    let place = Place::new();
    for option in ["--version", "-V"] {
        assert_eq!(place.enter([option]).ok(), format!("enter-baserock {}\n", env!("CARGO_PKG_VERSION")));
    }
}
