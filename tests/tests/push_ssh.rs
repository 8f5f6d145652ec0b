//! Pushes over ssh as people have configured it, and to machines that do something else than run the agent.
//!
//! Pace: seconds

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baserock_tests::client::Client;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, run, shell};
use baserock_tests::running::Running;
use baserock_tests::ssh::Target;
use baserock_tests::sshd::Setup;
use baserock_tests::version::factory_image;
use delta::frame;

/// Kinds of frames, as docs/formats.md lists them.
const CONTENTS: u8 = 5;
const REQUEST: u8 = 6;
const EVENT: u8 = 8;
const FINISHED: u8 = 9;
const FAILED: u8 = 10;
const ASK: u8 = 11;
const KNOWN: u8 = 13;

const FINISHED_TEXT: &[u8] =
    br#"{"format":1,"added":1,"changed":0,"removed":0,"conflicts":[],"running":null}"#;

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_a_user_configures_for_sessions_does_not_count() {
    let image = factory_image(768);
    let target = Target::start(&image, "factory");
    for lines in [
        "RemoteCommand tmux new -A -s main\nRequestTTY yes\n",
        "RequestTTY force\nEscapeChar ~\n",
        "StdinNull yes\n",
        "ForkAfterAuthentication yes\n",
        "SessionType none\n",
        "SessionType subsystem\n",
        "ControlMaster auto\nControlPath /tmp/never-%C\nControlPersist 5s\n",
        "PermitLocalCommand yes\nLocalCommand exit 1\n",
        "ForwardX11 yes\nTunnel yes\nLocalForward 1 localhost:1\nExitOnForwardFailure yes\n",
        "LogLevel DEBUG3\nVisualHostKey yes\n",
        "LogLevel QUIET\n",
    ] {
        let client = Client::new().knows("target", target.sshd.listens(), lines);
        let begun = Instant::now();
        run(&mut client.check("root@target", "v2")).ok();
        assert!(begun.elapsed() < Duration::from_secs(20), "{lines}");
    }
    let client = Client::new().knows("target", ("127.0.0.1", 1), "LogLevel QUIET\n");
    run(&mut client.check("root@target", "v2"))
        .refused(&["cannot connect to root@target: ", "Connection refused"]);
    // An ssh of 2016 has none of the newer options. Its user's own configuration is still refused.
    let old = "#!/bin/sh\nfor word; do case $word in RemoteCommand=*|SessionType=*|StdinNull=*|ForkAfterAuthentication=*)\n\
               echo \"command-line: line 0: Bad configuration option: ${word%%=*}\" >&2; exit 255;; esac; done\n";
    let client = Client::new().knows("target", target.sshd.listens(), "");
    let usual = fs::read_to_string(client.programs().join("ssh")).unwrap();
    client.program("ssh", &usual.replace("#!/bin/sh\n", old));
    run(&mut client.check("root@target", "v2")).ok();
    let client = Client::new().knows("target", target.sshd.listens(), "UseKeychain yes\n");
    run(&mut client.check("root@target", "v2")).refused(&["cannot connect to root@target: ", "usekeychain"]);
}

#[test]
fn the_target_gets_no_agent() {
    let image = factory_image(768);
    let system = Running::start(&image, "factory");
    let asks = "#!/bin/sh\necho \"agent: $SSH_AUTH_SOCK\" >/root/asked\neval \"$SSH_ORIGINAL_COMMAND\"\n";
    program(&system.path("bin/asks"), asks);
    let target = Target::of(system, &Setup { lines: "ForceCommand /bin/asks\n", ..Setup::default() });
    let client = Client::new().knows("target", target.sshd.listens(), "ForwardAgent yes\n");
    let socket = image.place().join("agent");
    let mut agent =
        Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    let outcome = run(client.check("root@target", "v2").env("SSH_AUTH_SOCK", &socket));
    agent.kill().unwrap();
    agent.wait().unwrap();
    outcome.ok();
    assert_eq!(fs::read_to_string(target.system.path("root/asked")).unwrap(), "agent: \n");
}

#[test]
fn a_location_may_be_a_uri() {
    let image = factory_image(768);
    let target = Target::start(&image, "factory");
    let (address, port) = target.sshd.listens();
    let known = image.place().join("known");
    let key = fs::read_to_string(format!("{}.pub", inputs::ssh_key().unwrap().display())).unwrap();
    let key: Vec<&str> = key.split(' ').take(2).collect();
    fs::write(&known, format!("[{address}]:{port} {}\n", key.join(" "))).unwrap();
    let client = Client::with(&format!(
        "IdentityFile {}\nStrictHostKeyChecking yes\nUserKnownHostsFile {}\n",
        inputs::ssh_key().unwrap().display(),
        known.display()
    ));
    run(&mut client.check(&format!("ssh://root@{address}:{port}"), "v2")).ok();
    run(&mut client.check(&format!("root@{address}:{port}"), "v2"))
        .refused(&["invalid location", &format!("write a port as a URI: ssh://root@{address}:{port}")]);
}

/// A login shell that says nothing of its own.
const QUIET: &str = "#!/bin/sh\nexec /bin/sh \"$@\"\n";

/// What a check is told by a machine with these lines in the configuration of its sshd.
fn checked(lines: &str, programs: &[(&str, &str)]) -> Done {
    let image = factory_image(768);
    let system = Running::start(&image, "factory");
    for (name, text) in programs {
        program(&system.path(&format!("bin/{name}")), text);
    }
    let target = Target::of(system, &Setup { lines, ..Setup::default() });
    run(&mut target.check("v2"))
}

#[test]
fn what_a_machine_does_instead_is_shown_in_its_own_words() {
    let only = "#!/bin/sh\necho 'this key may only run \u{1b}[31mborg serve' >&2; exit 1\n";
    let refused = checked("ForceCommand /bin/only\n", &[("only", only)]);
    assert!(!refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
    refused.refused(&["root@target does something else than", "this key may only run \\x1b[31mborg serve"]);
    checked("ForceCommand /bin/silent\n", &[("silent", "#!/bin/sh\nexit 3\n"), ("bash", QUIET)])
        .refused(&["root@target does not run the command that it is given, and says nothing"]);
    let nologin = "#!/bin/sh\necho 'This account is currently not available.'; exit 1\n";
    checked("", &[("bash", nologin)]).refused(&["it answers: This account is currently not available."]);
    let begun = Instant::now();
    let menu = "#!/bin/sh\necho '1) shell 2) reboot'; cat >/dev/null; sleep 600\n";
    checked("ForceCommand /bin/menu\n", &[("menu", menu), ("bash", QUIET)])
        .refused(&["it answers: 1) shell 2) reboot"]);
    checked("ForceCommand /bin/yes\n", &[("yes", "#!/bin/sh\nwhile :; do echo yes; done\n")])
        .refused(&["it answers: yes / yes / yes"]);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn banners_and_commands_that_run_what_is_asked_do_no_harm() {
    let banner = tempfile::NamedTempFile::new().unwrap();
    fs::write(banner.path(), "Authorised use only.\nAll is logged.\n").unwrap();
    let lines = format!("Banner {}\nDisableForwarding yes\nPermitTTY no\n", banner.path().display());
    checked(&lines, &[]).ok();
    checked("ForceCommand eval \"$SSH_ORIGINAL_COMMAND\"\n", &[]).ok();
}

#[test]
fn an_ordinary_user_is_told_that_root_is_needed() {
    let image = factory_image(768);
    let system = Running::start(&image, "factory");
    // sshd looks for the account on this machine, and for its shell in the system.
    let account = shell("getent", &["passwd", "nobody"]);
    let login = account.trim().rsplit(':').next().unwrap().trim_start_matches('/').to_owned();
    fs::create_dir_all(system.path(&login).parent().unwrap()).unwrap();
    if !system.path(&login).exists() {
        program(&system.path(&login), QUIET);
    }
    let accounts = system.path("etc/passwd");
    fs::write(&accounts, fs::read_to_string(&accounts).unwrap() + &account).unwrap();
    // It is no path that only root may read.
    let key =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in("/run").unwrap();
    fs::copy(format!("{}.pub", inputs::ssh_key().unwrap().display()), key.path()).unwrap();
    fs::set_permissions(key.path(), Permissions::from_mode(0o644)).unwrap();
    let lines = format!("PermitRootLogin no\nAuthorizedKeysFile {}\n", key.path().display());
    let target = Target::of(system, &Setup { lines: &lines, ..Setup::default() });
    let client = Client::new().knows("target", target.sshd.listens(), "");
    run(&mut client.check("nobody@target", "v2")).refused(&[
        "only root can add versions",
        "nobody@target lets in the user nobody",
        "as root",
    ]);
}

/// Waits until something has come to the file `$heard`, in which there were `$before` bytes, and for the rest of it.
const WAIT: &str =
    "while [ $(wc -c <$heard) = $before ]; do sleep 0.05; done; sleep 0.3; before=$(wc -c <$heard)\n";

/// A user whose ssh is a machine that says that the agent is ready, and then sends these frames, each after it has heard something. What it
/// hears is written to `heard`.
fn hostile(answers: &[&[(u8, &[u8])]], heard: &Path) -> Client {
    let client = Client::new();
    let mut script = format!(
        "#!/bin/sh\nheard={}\nfor word; do :; done\n: >$heard\nbefore=0\n\
         echo \"$(echo \"$word\" | grep -o 'baserock-[0-9a-f]*' | head -n 1) ready\"\nexec 3<&0; cat <&3 >>$heard &\n",
        heard.display()
    );
    for (index, frames) in answers.iter().enumerate() {
        let mut bytes = Vec::new();
        for (kind, content) in *frames {
            frame::write(&mut bytes, *kind, content).unwrap();
        }
        let answer = client.programs().join(index.to_string());
        fs::write(&answer, bytes).unwrap();
        script.extend([WAIT, "cat ", answer.to_str().unwrap(), "\n"]);
    }
    client.program("ssh", &(script + "wait\n"));
    client
}

#[test]
fn words_of_a_hostile_target_do_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let tree = inputs::busybox().unwrap();
    let phase = br#"{"event":"phase","text":"\u001b]0;title\u0007ERROR: one\nERROR: two"}"#;
    let own = br#"{"event":"phase","text":"ERROR: three"}"#;
    let finding = br#"{"event":"finding","level":"warning","text":"x\r\nERROR: four\u009b2J"}"#;
    let frames: &[(u8, &[u8])] =
        &[(EVENT, phase), (EVENT, own), (EVENT, finding), (FAILED, b"failed \x1b[31mred\nERROR: five")];
    let client = hostile(&[frames], &place.path().join("heard"));
    let done = run(&mut client.push(&tree, "root@target", "v2"));
    let shown = format!("{}{}", done.stdout, done.stderr);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    let errors: Vec<&str> = shown.lines().filter(|line| line.starts_with("ERROR")).collect();
    assert_eq!(errors, ["ERROR: failed \\x1b[31mred ERROR: five"]);
}

#[test]
fn a_target_that_asks_for_what_it_was_not_offered_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let tree = inputs::busybox().unwrap();
    // New pieces: their number, entry, start, length. Old pieces: their number, hash, start, length. No signature, and any form.
    let beyond = [&[1][..], &[0xff, 0xff, 0x7f, 0, 1], &[0], &[0, 0]].concat();
    let never_offered = [&[0][..], &[1], &[7; 32], &[0, 1], &[0, 0]].concat();
    for (asked, expected) in [
        (beyond, "the target asks for something that is not in the tree"),
        (never_offered, "the target asks for an old content that was never offered"),
    ] {
        let client = hostile(&[&[(REQUEST, &asked)]], &place.path().join("heard"));
        run(&mut client.push(&tree, "root@target", "v2")).refused(&[expected]);
    }
}

#[test]
fn a_target_is_told_only_of_what_it_got_itself_and_everybody_may_read() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    shell("cp", &["-a", inputs::busybox().unwrap().to_str().unwrap(), tree.to_str().unwrap()]);
    for (name, mode) in [("secret", 0o600), ("private/secret", 0o644), ("public", 0o644)] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{name}\n").repeat(100)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(tree.join("private"), Permissions::from_mode(0o700)).unwrap();
    let heard = place.path().join("heard");
    let amount: &[u8] = br#"{"format":1,"bytes":1000,"there":0}"#;
    let key = [7; 32];
    let keyed = |name: &str| {
        let content = format!("{name}\n").repeat(100);
        delta::hash::Hash::of(content.as_bytes()).keyed(&key).to_le_bytes()
    };
    let hashes = ["public", "secret", "private/secret", "absent"].map(keyed).concat();
    let ask = [&key[..], &hashes].concat();
    let asks = |asks: &[(u8, &[u8])]| {
        hostile(&[&[&[(CONTENTS, amount)], asks].concat(), &[(FINISHED, FINISHED_TEXT)]], &heard)
    };
    let told = |client: &Client, location: &str| {
        let done = run(client.push(&tree, location, "v2").env("PUSH_CACHE", "100M"));
        let bytes = fs::read(&heard).unwrap();
        let mut from = bytes.as_slice();
        let mut known = None;
        while let Ok(frame) = frame::read(&mut from) {
            known = Some(frame).filter(|frame| frame.kind == KNOWN).map(|frame| frame.content).or(known);
        }
        (known, done)
    };
    let client = asks(&[(ASK, &ask)]);
    let one = |location: &str| {
        let (known, done) = told(&client, location);
        done.ok();
        known.expect("an answer")
    };
    assert_eq!(one("root@one"), [0, 0, 0, 0]);
    assert_eq!(one("root@one"), [1, 0, 0, 0], "what was pushed there is kept, and secrets are not");
    assert_eq!(one("root@two"), [0, 0, 0, 0], "another machine learns nothing");
    let (_, done) = told(&asks(&[(ASK, &ask), (ASK, &ask)]), "root@one");
    done.refused(&["asks for old contents a second time"]);
    let many = [&key[..], &hashes.repeat(100_000)].concat();
    let (known, done) = told(&asks(&[(ASK, &many)]), "root@one");
    done.refused(&["asks for more old contents than the tree has files"]);
    assert_eq!(known, None);
    let (_, done) = told(&asks(&[(ASK, &ask[..35])]), "root@one");
    done.refused(&["without its key, or cut"]);
}
