//! Archives that are added only with a signature, made by minisign and by ssh.
//!
//! Pace: seconds

use std::fs;
use std::process::Stdio;

use baserock_tests::chroot::Place;
use baserock_tests::programs::{Done, run};
use baserock_tests::steps;
use baserock_tests::web::{How, Web};

/// A place with the small system as `a.tar`, keys of minisign (`m.pub`, `m.key`; `n`) and of ssh (`s`, `s.pub`; `t`).
fn place() -> Place {
    let place = Place::new();
    place.busybox();
    place.shell(
        "mv busybox.tar a.tar
         for name in m n; do minisign -G -W -p $name.pub -s $name.key > /dev/null; done
         for name in s t; do ssh-keygen -q -t ed25519 -N '' -C $name@example.org -f $name; done",
    );
    place
}

fn by_minisign(place: &Place, more: &str) {
    place.shell(&format!("minisign -S -s m.key -m a.tar {more} > /dev/null"));
}

fn by_ssh(place: &Place, key: &str, namespace: &str) {
    place
        .shell(&format!("rm -f a.tar.sig; ssh-keygen -q -Y sign -n {namespace} -f {key} a.tar 2> /dev/null"));
}

/// Adds `a.tar` with the signature that is asked for by the arguments.
fn add(place: &Place, label: &str, more: &[&str]) -> Done {
    let mut command = place.manage_command();
    run(command.current_dir(place.path()).args(["add", label, "a.tar"]).args(more))
}

#[track_caller]
fn nothing_was_added(place: &Place) {
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_signed_archive_is_added_and_the_signer_is_told() {
    let place = place();
    by_minisign(&place, "-t 'version 7'");
    let number = place.shell("head -n 1 m.pub");
    let number = number.trim().rsplit(' ').next().unwrap();
    let done = add(&place, "new", &["--verify", "m.pub"]);
    assert!(
        done.stderr.contains(&format!("signed by the minisign key {number} (version 7)")),
        "{}",
        done.stderr
    );
    done.ok();
    by_minisign(&place, "-l");
    add(&place, "legacy", &["--verify", "m.pub"]).ok();
    fs::remove_file(place.path().join("a.tar.minisig")).unwrap();
    by_ssh(&place, "s", "file");
    let fingerprint = place.shell("ssh-keygen -l -f s.pub");
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let done = add(&place, "ssh", &["--verify", "s.pub"]);
    assert!(done.stderr.contains(&format!("signed by the ssh key {fingerprint}")), "{}", done.stderr);
    done.ok();
    assert_eq!(place.inside("ssh", "echo works").ok(), "works\n");
    let list = place.manage(["list"]).ok();
    assert!(list.contains(&format!("a.tar, signed by the ssh key {fingerprint}\n")), "{list}");
    let list = place.manage(["list", "--json"]).ok();
    let record = format!("\"checked\": \"signature\",\n    \"signed_by\": \"ssh key {fingerprint}\"");
    assert!(list.contains(&record), "{list}");
    assert!(fs::read_dir(place.store().join("ssh")).unwrap().count() == 2, "tree and record");
}

#[test]
fn keys_of_all_usual_kinds_sign() {
    let place = place();
    for (name, kind) in [("r", "rsa"), ("p", "ecdsa -b 256"), ("q", "ecdsa -b 384")] {
        place.shell(&format!("ssh-keygen -q -t {kind} -N '' -f {name}; cat {name}.pub m.pub > keys"));
        by_ssh(&place, name, "file");
        add(&place, name, &["--verify", "keys"]).ok();
    }
    place.shell("ssh-keygen -q -t ecdsa -b 521 -N '' -f u; ssh-keygen -q -t rsa -b 1024 -N '' -f w");
    for (name, why) in [("u", "ecdsa-sha2-nistp521"), ("w", "fewer than 2048 bits")] {
        by_ssh(&place, name, "file");
        add(&place, name, &["--verify", &format!("{name}.pub")]).refused(&[why, "ed25519"]);
    }
    place.shell("ssh-keygen -q -s t -I id -n joe s.pub; cp s.pub plain; cat t.pub >> plain");
    by_ssh(&place, "s-cert.pub", "file");
    add(&place, "cert", &["--verify", "plain"]).refused(&["which is not in plain"]);
    assert_eq!(place.names(), ["default", "p", "q", "r"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = place();
    by_minisign(&place, "");
    let (archive, signature) = (place.path().join("a.tar"), place.path().join("a.tar.minisig"));
    let (bytes, text) = (fs::read(&archive).unwrap(), fs::read_to_string(&signature).unwrap());
    let refused = |words: &[&str]| add(&place, "devel", &["--verify", "m.pub"]).refused(words);
    add(&place, "devel", &["--verify", "n.pub"])
        .refused(&["a.tar.minisig: was made with the minisign key", "not in n.pub"]);
    add(&place, "devel", &["--verify", "s.pub"])
        .refused(&["a.tar.minisig: was made with the minisign key", "not in s.pub"]);
    let mut other = bytes.clone();
    other[4000] ^= 1;
    fs::write(&archive, &other).unwrap();
    refused(&["a.tar.minisig is not the signature of a.tar", "nothing was added"]);
    fs::write(&archive, [&bytes[..], b"\0"].concat()).unwrap();
    refused(&["is not the signature of"]);
    fs::write(&archive, &bytes).unwrap();
    fs::write(&signature, text.replace("file:a.tar", "file:b.tar")).unwrap();
    refused(&["is not the signature of"]);
    fs::write(&signature, &text[..text.len() / 2]).unwrap();
    refused(&["a.tar.minisig: is no signature of minisign or ssh", "--signature FILE"]);
    fs::write(&signature, "-----BEGIN PGP SIGNATURE-----\n").unwrap();
    refused(&["a.tar.minisig: is of OpenPGP", "--sha256"]);
    place.shell("cp s.pub b.tar; minisign -S -s m.key -m b.tar > /dev/null; mv b.tar.minisig a.tar.minisig");
    refused(&["is not the signature of"]);
    fs::remove_file(&signature).unwrap();
    refused(&["no signature of a.tar: neither a.tar.minisig nor a.tar.sig exists", "--signature FILE"]);
    by_ssh(&place, "s", "git");
    add(&place, "devel", &["--verify", "s.pub"]).refused(&["the namespace \"git\", not \"file\"", "-n file"]);
    by_ssh(&place, "s", "file");
    add(&place, "devel", &["--verify", "t.pub"])
        .refused(&["was made with the ssh key SHA256:", "not in t.pub"]);
    fs::write(&archive, &other).unwrap();
    add(&place, "devel", &["--verify", "s.pub"]).refused(&["a.tar.sig is not the signature of a.tar"]);
    nothing_was_added(&place);
}

#[test]
fn keyrings_that_are_none_are_refused() {
    let place = place();
    by_ssh(&place, "s", "file");
    for (content, why) in [
        ("", "keys: has no public key"),
        ("# nobody\n", "keys: has no public key"),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "is of OpenPGP"),
        ("joe@example.org\n", "line 1 has no public key"),
    ] {
        fs::write(place.path().join("keys"), content).unwrap();
        add(&place, "devel", &["--verify", "keys"]).refused(&[why]);
    }
    add(&place, "devel", &["--verify", "s"]).refused(&["s: has a secret key", ".pub"]);
    add(&place, "devel", &["--verify", "m.key"]).refused(&["m.key: has a secret key", ".pub"]);
    add(&place, "devel", &["--verify", "none"]).refused(&["there is no keyring none"]);
    place.shell("mkfifo pipe");
    add(&place, "devel", &["--verify", "pipe"]).refused(&["pipe"]);
    add(&place, "devel", &["--verify", "/dev/zero"]).refused(&["/dev/zero"]);
    assert_eq!(add(&place, "devel", &["--signature", "a.tar.sig"]).code, 2);
    let mut command = place.manage_command();
    let folder = command.current_dir(place.path()).args(["add", "devel", "tree", "--verify", "s.pub"]);
    run(folder).refused(&["tree is a directory, which has no signature"]);
    nothing_was_added(&place);
}

/// The oracle is ssh-keygen, which reads the same file of allowed signers.
#[test]
fn allowed_signers_count_as_for_ssh() {
    let place = place();
    by_ssh(&place, "s", "file");
    let public = fs::read_to_string(place.path().join("s.pub")).unwrap();
    for (number, (options, why)) in [
        ("joe ", None),
        ("joe,*@example.org namespaces=\"file\" ", None),
        ("\"joe\" namespaces=\"git,f?le\" ", None),
        ("joe valid-after=\"20200101\",valid-before=\"20990101\" ", None),
        ("joe VALID-BEFORE=\"20990101Z\" ", None),
        ("joe namespaces=\"git\" ", Some("counts for the namespaces \"git\" only")),
        ("joe namespaces=\"*,!file\" ", Some("counts for the namespaces")),
        ("joe valid-before=\"20200101\" ", Some("has expired")),
        ("joe valid-after=\"20990101\" ", Some("is not valid yet")),
        ("joe cert-authority ", Some("counts for certificates only")),
        ("joe valid-after=\"never\" ", Some("line 1 has no valid time")),
        ("joe no-such-option ", Some("line 1 has the unknown option")),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(place.path().join("allowed"), format!("{options}{public}")).unwrap();
        let ssh = place.shell(
            "ssh-keygen -Y verify -f allowed -I joe -n file -s a.tar.sig < a.tar > /dev/null 2>&1 && echo good || echo bad",
        );
        let done = add(&place, &format!("l{number}"), &["--verify", "allowed"]);
        assert_eq!(ssh.trim() == "good", why.is_none(), "{options}");
        match why {
            None => assert!(done.stderr.contains("(joe"), "{options}: {}", done.stderr),
            Some(why) => drop(done.refused(&[why])),
        }
    }
    let second = format!("a valid-before=\"20200101\" {public}b {public}");
    fs::write(place.path().join("allowed"), second).unwrap();
    let done = add(&place, "second", &["--verify", "allowed"]);
    assert!(done.stderr.contains(" (b)"), "{}", done.stderr);
    done.ok();
}

#[test]
fn the_signature_of_the_standard_input_is_named() {
    let place = place();
    by_minisign(&place, "");
    let input = |more: &[&str]| {
        let mut command = place.manage_command();
        command.current_dir(place.path()).args(["add", "devel", "-", "--verify", "m.pub"]).args(more);
        run(command.stdin(fs::File::open(place.path().join("a.tar")).unwrap()))
    };
    input(&[]).refused(&["no signature of the standard input", "--signature FILE"]);
    input(&["--signature", "none"]).refused(&["none does not exist"]);
    input(&["--signature", "-"]).refused(&["the standard input"]);
    nothing_was_added(&place);
    input(&["--signature", "a.tar.minisig"]).ok();
}

#[test]
fn signatures_are_fetched_as_archives_are() {
    let place = place();
    by_ssh(&place, "s", "file");
    by_minisign(&place, "");
    let read = |name: &str| fs::read(place.path().join(name)).unwrap();
    let page = b"<html>no such file</html>".to_vec();
    let web = Web::start([
        ("/a.tar", read("a.tar"), How::Breaks(400_000)),
        ("/a.tar.minisig", page.clone(), How::Well),
        ("/a.tar.sig", read("a.tar.sig"), How::FailsOnce(503)),
        ("/b.tar", read("a.tar"), How::Well),
        ("/b.tar.minisig", page.clone(), How::Well),
        ("/c.tar", read("a.tar"), How::Understates(512)),
        ("/c.tar.minisig", read("a.tar.minisig"), How::Well),
    ]);
    let keys = place.path().join("s.pub");
    let add = |label: &str, path: &str, more: &[&str]| {
        let mut command = place.manage_command();
        command.current_dir(place.path()).args(["add", label, &web.url(path)]);
        run(command.arg("--verify").arg(&keys).args(more))
    };
    add("devel", "/a.tar", &[]).ok();
    add("bad", "/b.tar", &[]).refused(&["there is no signature of", "b.tar.sig"]);
    add("named", "/b.tar", &["--signature", &web.url("/a.tar.sig")]).ok();
    let done = run(place.manage_command().current_dir(place.path()).args([
        "add",
        "cut",
        &web.url("/c.tar"),
        "--verify",
        "m.pub",
    ]));
    done.refused(&["is not the signature of"]);
    let asked: Vec<String> = web.requests().into_iter().map(|request| request.path).collect();
    let first = |path: &str| asked.iter().position(|asked| asked == path).unwrap();
    assert!(
        first("/a.tar.sig") < first("/a.tar"),
        "the signature is looked at before the archive is fetched"
    );
    assert_eq!(place.names(), ["default", "devel", "named"]);
}

#[test]
fn without_a_key_a_signature_does_not_count() {
    let place = place();
    by_minisign(&place, "");
    let done = add(&place, "devel", &[]);
    assert!(done.stderr.contains("not checked: ") && !done.stderr.contains("signed"), "{}", done.stderr);
    done.ok();
    assert!(place.manage(["list"]).ok().contains("unchecked"));
    let sum = "0".repeat(64);
    add(&place, "both", &["--verify", "m.pub", "--sha256", &sum]).refused(&["not what was expected"]);
}

#[test]
fn a_signal_ends_the_reading_before_anything_is_unpacked() {
    let place = place();
    by_minisign(&place, "");
    let mut command = place.manage_command();
    command.current_dir(place.path()).args([
        "add",
        "devel",
        "-",
        "--verify",
        "m.pub",
        "--signature",
        "a.tar.minisig",
    ]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !place.store().join(".incoming.devel/tree").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let held = child.stdin.take();
    run(std::process::Command::new("kill").args(["-s", "TERM", &child.id().to_string()])).ok();
    let done = Done::from(child.wait_with_output().unwrap());
    drop(held);
    assert_eq!(done.code, 143, "{}", done.stderr);
    nothing_was_added(&place);
}

#[test]
fn a_step_that_fails_leaves_nothing() {
    let place = place();
    place.shell("rm a.tar; mkdir -p small/bin; touch small/bin/sh; tar -C small -cf a.tar .");
    by_minisign(&place, "");
    let command = || {
        let mut command = place.manage_command();
        command.current_dir(place.path()).args(["add", "devel", "a.tar", "--verify", "m.pub"]);
        command
    };
    place.manage(["list"]).ok();
    for step in steps::list(&mut command(), place.path()) {
        for how in [steps::How::Error, steps::How::NoSpace, steps::How::Kill] {
            place.shell("rm -rf store");
            let done = steps::fail(&mut command(), step.number, how);
            assert!(done.code != 0 && how.allows(done.code), "{step}: {}", done.stderr);
            if how == steps::How::Kill {
                // The next command clears away what is not complete.
                place.manage(["set-default", "none"]).refused(&["no chroot none"]);
            }
            let names = place.names();
            let complete = how == steps::How::Kill && names.contains(&"devel".to_owned());
            assert!(names.is_empty() || complete, "{step}: {names:?}");
        }
    }
}
