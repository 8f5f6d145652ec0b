//! What runs in a chroot, and who can write to the store, get nothing of the caller's.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use baserock_tests::chroot::{Place, path};
use baserock_tests::programs::{self, run};

/// The host's programs inside a chroot: Perl calls the kernel directly.
const HOST: &str = "--bind /usr --bind /usr/lib:/lib --bind /usr/lib64:/lib64";

/// Waits for the end of a process that was told to end, at most a second.
#[track_caller]
fn ends(place: &Place, child: &mut Child) {
    place.shell(&format!("kill {}", child.id()));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "it goes on");
    };
    assert!(!status.success());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(path(place.path())), "{mounts}");
}

#[test]
fn nothing_is_typed_into_the_callers_terminal() {
    let place = Place::with("devel");
    // 0x5412 is TIOCSTI. What is pushed must not be the next line that the caller's shell reads.
    fs::write(
        place.path().join("push.pl"),
        r#"for my $file (*STDIN, *STDOUT, *STDERR, do { open my $t, "+<", "/dev/tty"; $t }) {
            for my $one (split //, "pushed\n") { my $byte = $one; ioctl $file, 0x5412, $byte; } }"#,
    )
    .unwrap();
    let enter = programs::path("enter-baserock");
    let push = format!("{} devel {HOST} --bind {}:/mnt", enter.display(), place.path().display());
    for (option, streams, arrives) in [
        ("", "", false),
        ("", "</dev/null", false),
        ("", "</dev/null >/dev/null", false),
        ("--privileged", "", true),
    ] {
        // `script` gives a terminal.
        let shell = format!(
            "{push} {option} -- perl /mnt/push.pl {streams}; read -t 0.3 line || read -t 0.3 line; echo; echo got=$line"
        );
        let mut command = Command::new("script");
        command.args(["-qec", &format!("bash -c '{shell}'"), "/dev/null"]);
        let done = run(command.env("BASEROCK_CHROOTS", place.store()).stdin(std::process::Stdio::null()));
        assert!(done.stdout.contains("got="), "{done:?}");
        assert_eq!(done.stdout.contains("got=pushed"), arrives, "{option} {streams}: {done:?}");
    }
}

#[test]
fn the_callers_keys_are_not_readable() {
    let place = Place::with("devel");
    // In Perl, because the numbers of the calls are all that is needed: add_key is 248, keyctl 250; -3 is the keyring of the session.
    let numbers = if cfg!(target_arch = "x86_64") { "(248, 250)" } else { "(217, 219)" };
    fs::write(
        place.path().join("read.pl"),
        format!(
            r#"my ($add, $ctl) = {numbers}; my ($type, $name, $buffer) = ("user", "baserock-test", "\0" x 8);
            syscall($ctl, 8, -4, -3); syscall($ctl, 8, -5, -3);
            for my $from (-3, -4, -5, $ARGV[0]) {{
                my $key = $from == $ARGV[0] ? $from + 0 : syscall($ctl, 10, $from, $type, $name, 0);
                print "read ", substr($buffer, 0, 6), "\n" if $key > 0 && syscall($ctl, 11, $key, $buffer, 8) > 0; }}
            print "done\n";"#
        ),
    )
    .unwrap();
    fs::write(
        place.path().join("give.pl"),
        format!(
            r#"my ($add, $ctl) = {numbers}; my ($type, $name, $secret) = ("user", "baserock-test", "secret");
            syscall($ctl, 1, 0); my $own = syscall($add, $type, $name, $secret, 6, -3);
            my $user = syscall($add, $type, $name, $secret, 6, -4); die $! if $own < 0 || $user < 0;
            system "$ARGV[0] $own"; system "perl $ARGV[1] $own"; syscall($ctl, 9, $user, -4);"#
        ),
    )
    .unwrap();
    let enter = programs::path("enter-baserock");
    let inside = format!(
        "{} devel {HOST} --bind {}:/mnt -- perl /mnt/read.pl",
        enter.display(),
        place.path().display()
    );
    let mut command = Command::new("perl");
    command.arg(place.path().join("give.pl")).arg(inside).arg(place.path().join("read.pl"));
    let done = run(command.env("BASEROCK_CHROOTS", place.store()));
    let (within, outside) = done.stdout.split_once("done\n").unwrap_or_else(|| panic!("{done:?}"));
    assert_eq!(within, "", "{done:?}");
    assert!(outside.contains("read secret\n"), "{done:?}");
}

#[test]
fn root_inside_has_the_capabilities_that_the_help_lists() {
    let place = Place::with("devel");
    // As numbered in linux/capability.h.
    let numbers = [
        ("chown", 0),
        ("dac_override", 1),
        ("fowner", 3),
        ("fsetid", 4),
        ("kill", 5),
        ("setgid", 6),
        ("setuid", 7),
        ("setpcap", 8),
        ("setfcap", 31),
        ("net_bind_service", 10),
        ("sys_chroot", 18),
        ("audit_write", 29),
    ];
    let help = place.enter(["--help"]).ok();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, list) = words.split_once("the capabilities ").unwrap();
    let (list, _) = list.split_once('.').unwrap();
    let listed: Vec<&str> =
        list.split([',', ' ']).filter(|word| !word.is_empty() && *word != "and").collect();
    assert_eq!(listed, numbers.map(|(name, _)| name));
    let set = numbers.iter().fold(0_u64, |set, (_, number)| set | 1 << number);
    let status = place.inside("devel", "cat /proc/self/status").ok();
    for (name, expected) in [("CapEff", set), ("CapPrm", set), ("CapBnd", set), ("CapInh", 0), ("CapAmb", 0)]
    {
        assert!(status.contains(&format!("{name}:\t{expected:016x}\n")), "{name}: {status}");
    }
}

#[test]
fn links_that_were_planted_in_the_store_are_not_followed() {
    let place = Place::with("devel");
    place
        .shell("mkdir -p else/tree && cp -a store/devel/tree/. else/tree && cp store/devel/chroot.json else");
    symlink(place.path().join("else"), place.store().join("outer")).unwrap();
    fs::create_dir(place.store().join("inner")).unwrap();
    symlink(place.path().join("else/tree"), place.store().join("inner/tree")).unwrap();
    fs::write(place.store().join("notes"), "").unwrap();
    let before = place.names();
    for (label, link) in [("outer", "store/outer"), ("inner", "store/inner/tree")] {
        let words = format!("{link} is a link, and what it leads to is no chroot; remove the link");
        for arguments in
            [&["clone", label, "new"][..], &["rm", label], &["rm", "--force", label], &["set-default", label]]
        {
            place.manage(arguments).refused(&[&words]);
        }
        for option in ["--no-network", "--ephemeral"] {
            let done = place.enter([label, option, "--", "true"]);
            assert!(done.code == 125 && done.stderr.contains(&words), "{done:?}");
        }
        let list = place.manage(["list"]).succeeded();
        assert!(list.stderr.contains(&words) && list.stdout.starts_with("devel "), "{list:?}");
        assert_eq!(list.stdout.lines().count(), 1, "{list:?}");
    }
    assert_eq!(place.names(), before);
    assert!(place.path().join("else/tree/bin/busybox").exists());
    symlink("inner", place.path().join("link")).unwrap();
    place.shell("mv -T link store/default");
    place.manage(["list"]).ok();
    let done = place.enter(["--", "true"]);
    assert!(done.code == 125 && done.stderr.contains("inner/tree is a link"), "{done:?}");
}

#[test]
fn a_signal_ends_everything_within_a_second() {
    let place = Place::with("devel");
    let mut entered = place.enter_command().args(["devel", "--", "sleep", "100"]).spawn().unwrap();
    while !place.manage(["list"]).ok().contains("in use") {
        std::thread::sleep(Duration::from_millis(20));
    }
    ends(&place, &mut entered);
    assert!(place.manage(["list", "--json"]).ok().contains("\"in_use_by\": []"));
    // So much that no copy of it is made before the signal comes.
    place.shell(
        "mkdir -p store/devel/tree/many/{0..99} && cd store/devel/tree/many &&
         for folder in *; do (cd $folder && touch {0..199}); done; truncate -s 400M large; tar -C .. -cf ../../../../many.tar many bin",
    );
    let before = place.names();
    let archive = place.path().join("many.tar");
    for arguments in [&["clone", "devel", "new"][..], &["add", "new", path(&archive)]] {
        let mut child = place.manage_command().args(arguments).spawn().unwrap();
        while !place.store().join(".incoming.new/tree/many/0").exists() {
            assert!(child.try_wait().unwrap().is_none(), "{arguments:?} ended too early");
        }
        ends(&place, &mut child);
        assert_eq!(place.names(), before, "{arguments:?}");
    }
}

#[test]
fn a_copy_that_was_killed_is_told_and_goes_with_the_next_change() {
    let place = Place::with("devel");
    let mut child =
        place.enter_command().args(["devel", "--ephemeral", "--", "sleep", "100"]).spawn().unwrap();
    while place.names().len() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let told =
        "a copy of devel that was to be used once is left; the next change of the store clears it away";
    let begun = Instant::now();
    // The kernel may still be ending what was inside.
    while !place.manage(["list"]).stderr.contains(told) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", place.manage(["list"]));
    }
    place.manage(["set-default", "devel"]).ok();
    assert_eq!(place.names(), ["default", "devel"]);
}

#[test]
fn a_bind_appears_where_it_was_named() {
    let place = Place::with("devel");
    place.shell("mkdir real && echo x > real/file && ln -s real link");
    let link = place.path().join("link");
    let enter = |bind: &str, seen: &str| {
        place.enter(["devel", "--bind", bind, "--", "cat", seen]).ok();
    };
    enter(path(&link), path(&link.join("file")));
    enter(&format!("{}/link/../real", path(place.path())), path(&place.path().join("real/file")));
}
