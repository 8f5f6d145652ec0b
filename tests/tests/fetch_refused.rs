//! What is fetched counts only as it was signed: strangers, old and expired indexes, altered files and faulty servers are refused by name, and
//! leave nothing behind.
//!
//! Pace: seconds

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, run, shell};
use baserock_tests::published::Published;
use baserock_tests::soundness::Existing;
use baserock_tests::version::{assert_identical, manage};
use baserock_tests::web::{How, Web};

/// A repository, and a disk that fetches from its folder.
struct Pair {
    published: Published,
    disk: Image,
}

impl Pair {
    fn new() -> Self {
        let published = Published::both();
        let disk = published.disk();
        Pair { published, disk }
    }

    fn fetch(&self, more: &[&str]) -> Done {
        self.published.fetch(&self.disk, self.published.path().to_str().unwrap(), more)
    }

    /// Refused by these words, and nothing has changed.
    fn refused(&self, more: &[&str], words: &[&str]) {
        let look = || Existing::on(self.disk.mount("subvolid=5").path());
        let before = look();
        self.fetch(more).refused(words);
        let found = look().differences(&before);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(manage(&self.disk, &["list"]).ok(), "factory (default)\n");
    }

    fn index(&self) -> PathBuf {
        self.published.path().join("index")
    }

    fn sign_again(&self, command: &str, more: &[&str]) {
        self.published.publish(command, more).ok();
    }
}

#[test]
fn nobody_is_trusted_who_is_not_named() {
    let pair = Pair::new();
    let path = pair.published.path();
    let without = run(pair
        .published
        .fetching(&pair.disk.path(), path.to_str().unwrap(), &[])
        .env_remove("BASEROCK_ALLOWED_SIGNERS"));
    without.refused(&["no keys are trusted", "/etc/baserock/allowed_signers", "put the keys that you trust"]);
    pair.published.key("stranger");
    pair.published.trust(&["stranger"]);
    pair.refused(&[], &["index", "was made with the ssh key SHA256:", "which is not in"]);
    let unsigned = pair.fetch(&["--insecure-unsigned"]);
    assert!(unsigned.stderr.contains("v2 is not signed: nobody vouches for it"), "{unsigned:?}");
    unsigned.ok();
    let list = manage(&pair.disk, &["list"]);
    assert!(list.stderr.contains("v2 is not signed: it was fetched from "), "{list:?}");
    assert!(manage(&pair.disk, &["list", "--long"]).ok().contains("unsigned"));
    assert!(manage(&pair.disk, &["verify", "v2"]).ok().ends_with(", signed by nobody\n"));
}

#[test]
fn an_index_without_a_signature_is_refused() {
    let pair = Pair::new();
    let signed = fs::read_to_string(pair.index()).unwrap();
    let body = &signed[signed.find('{').unwrap()..];
    fs::write(pair.index(), body).unwrap();
    pair.refused(&[], &["index: is not signed"]);
    // A signature for another purpose does not count.
    let own = pair.published.beside("own");
    let file = pair.published.beside("body");
    fs::write(&file, body).unwrap();
    shell(
        "ssh-keygen",
        &["-q", "-Y", "sign", "-n", "file", "-f", own.to_str().unwrap(), file.to_str().unwrap()],
    );
    let other = fs::read_to_string(pair.published.beside("body.sig")).unwrap();
    fs::write(pair.index(), other + body).unwrap();
    pair.refused(&[], &["index", "namespace \"file\", not \"baserock-repository\""]);
}

#[test]
fn two_keys_have_to_sign_where_two_are_asked_for() {
    let pair = Pair::new();
    let second = pair.published.key("second");
    pair.published.trust(&["own", "second"]);
    let settings = "signers = 2\n";
    let fetch = || with_settings(&pair, settings);
    fetch().refused(&["index: is signed by 1 of the trusted keys, and 2 have to sign"]);
    // The same key twice is one.
    let own = pair.published.beside("own");
    pair.sign_again("sign", &["--key", own.to_str().unwrap()]);
    fetch().refused(&["1 of the trusted keys, and 2"]);
    pair.sign_again("sign", &["--key", second.to_str().unwrap()]);
    // One more that cannot be read changes nothing.
    let signed = fs::read_to_string(pair.index()).unwrap();
    let unread = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
    fs::write(pair.index(), unread.to_owned() + &signed).unwrap();
    fetch().ok();
}

fn with_settings(pair: &Pair, settings: &str) -> Done {
    let published = &pair.published;
    let source = format!("source = \"{}\"\n", published.path().display());
    published.fetch_with_settings(&pair.disk, &(source + settings), &["fetch"])
}

#[test]
fn an_old_index_played_back_is_refused() {
    let pair = Pair::new();
    let old = fs::read(pair.index()).unwrap();
    let busybox = inputs::busybox().unwrap();
    pair.published.add(&busybox, "v3", &[]).ok();
    // It is enough that the index was seen.
    pair.fetch(&["v7"]).refused(&["has no version v7"]);
    fs::write(pair.index(), &old).unwrap();
    pair.fetch(&[]).refused(&["index: has the serial 2, and 3 was seen before"]);
    // What nobody has signed keeps nobody from what is signed.
    let new = Pair::new();
    let signed = fs::read_to_string(new.index()).unwrap();
    let forged = signed[signed.find('{').unwrap()..].replace("\"serial\": 2", "\"serial\": 1000");
    fs::write(new.index(), forged).unwrap();
    new.fetch(&["v1", "--insecure-unsigned"]).ok();
    fs::write(new.index(), signed).unwrap();
    new.fetch(&[]).ok();
}

#[test]
fn an_index_that_has_expired_is_refused() {
    let pair = Pair::new();
    let own = pair.published.beside("own");
    let key = ["--key", own.to_str().unwrap()];
    let promote = |days: &str| {
        let more = [&["v2", "--channel", "stable", "--lifetime", days], &key[..]].concat();
        pair.sign_again("promote", &more);
    };
    promote("0");
    thread::sleep(Duration::from_secs(2));
    pair.refused(&[], &["index: has expired: it counts until ", "--allow-expired"]);
    promote("90");
    pair.fetch(&[]).ok();
}

#[test]
fn no_altered_byte_is_taken() {
    let (pair, mut refused) = (Pair::new(), Vec::new());
    let difference =
        shell("sh", &["-c", "echo \"$0\"/manifests/*-*", pair.published.path().to_str().unwrap()]);
    let mut altered = fs::read(difference.trim()).unwrap();
    altered[0] ^= 0x40;
    fs::write(difference.trim(), altered).unwrap();
    for (folder, whose) in [("manifests", "manifests/"), ("deltas", "deltas/")] {
        for entry in fs::read_dir(pair.published.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let good = fs::read(&path).unwrap();
            if path.display().to_string() == difference.trim() {
                continue;
            }
            for place in [0, 9, good.len() / 3, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[place] ^= 0x40;
                fs::write(&path, &bad).unwrap();
                let done = pair.fetch(&[]);
                if done.code == 0 {
                    // It was the manifest of another version, or packs served, or an earlier try had brought it.
                    assert_identical(
                        pair.disk.mount("subvolid=5").path(),
                        "v2",
                        &pair.published.trees.second(),
                    );
                    manage(&pair.disk, &["remove", "--force", "v2"]).ok();
                } else {
                    done.refused(&[whose, "is not what the index says"]);
                    assert_eq!(manage(&pair.disk, &["list"]).ok(), "factory (default)\n");
                    refused.push(path.display().to_string());
                }
            }
            fs::write(&path, good).unwrap();
        }
    }
    let refusals = |of: &str| refused.iter().filter(|path| path.contains(of)).count();
    assert_eq!(refusals(&format!("manifests/{}", manifest_of_v2(&pair))), 5, "{refused:?}");
    assert!(refusals("deltas/") > 0, "{refused:?}");
    // A disk to which no earlier try has brought the manifest.
    let done = pair.published.fetch(&pair.published.disk(), pair.published.path().to_str().unwrap(), &[]);
    let line = done.stderr.lines().find(|line| line.ends_with("; fetching the whole manifest"));
    assert!(line.is_some_and(|line| line.contains("is not what the index says")), "{done:?}");
    done.ok();
}

fn manifest_of_v2(pair: &Pair) -> String {
    let index = fs::read_to_string(pair.index()).unwrap();
    let after = &index[index.rfind("\"v2\"").unwrap()..];
    let digest = &after[after.find("\"digest\": \"").unwrap() + 11..];
    digest[..64].to_owned()
}

#[test]
fn servers_that_have_nothing_are_named() {
    let published = Published::both();
    let disk = published.disk();
    for (how, words) in [
        (How::Status(404), "the server has no such file (404)"),
        (How::Status(403), "the server does not allow it (403)"),
        (How::Understates(30), "/index is not the signature of"),
    ] {
        let web =
            Web::folder(&published.path(), |path| if path == "/index" { how.clone() } else { How::Well });
        published.fetch(&disk, &web.url(""), &[]).refused(&[words]);
    }
    let page = Web::start([("/index", b"<html>welcome</html>".to_vec(), How::Well)]);
    published.fetch(&disk, &page.url(""), &[]).refused(&["/index", "is not signed"]);
    let packs = |path: &str| match path {
        "/index" => How::Well,
        path if path.starts_with("/manifests") => How::Well,
        _ => How::Status(404),
    };
    let web = Web::folder(&published.path(), packs);
    published.fetch(&disk, &web.url(""), &[]).refused(&["/packs/", "the server has no such file (404)"]);
    published.fetch(&disk, "http://127.0.0.1:1/r", &[]).refused(&["127.0.0.1", "refuses the connection"]);
    assert_eq!(manage(&disk, &["list"]).ok(), "factory (default)\n");
}

#[test]
fn what_a_mirror_does_not_have_yet_is_asked_for_again() {
    let published = Published::both();
    let disk = published.disk();
    let late = |path: &str| if path.starts_with("/deltas") { How::FailsOnce(404) } else { How::Well };
    let web = Web::folder(&published.path(), late);
    let done = published.fetch(&disk, &web.url(""), &[]);
    assert!(done.stderr.contains("the server has no such file (404); asking again in 1 s"), "{done:?}");
    done.ok();
    assert!(!web.requests().iter().any(|request| request.path.starts_with("/packs/")));
}

#[test]
fn a_fetch_that_was_cut_off_continues() {
    let published = Published::both();
    let disk = published.disk();
    let short = Web::folder(&published.path(), |path| {
        if path.starts_with("/deltas") { How::Understates(3000) } else { How::Well }
    });
    let first = published.fetch(&disk, &short.url(""), &[]);
    assert_eq!(first.code, 1, "{first:?}");
    let web = Web::folder(&published.path(), |_| How::Well);
    published.fetch(&disk, &web.url(""), &[]).ok();
    assert_eq!(manage(&disk, &["list"]).ok(), "factory (default)\nv2\n");
}

#[test]
fn two_publishers_exclude_each_other_and_half_a_version_is_invisible() {
    let pair = Pair::new();
    let lock = fs::File::open(pair.published.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let busybox = inputs::busybox().unwrap();
    pair.published.add(&busybox, "v3", &[]).refused(&["another publisher is at work"]);
    drop(lock);
    // What a publisher that was killed has left is not in the way.
    fs::create_dir(pair.published.path().join(".extracted")).unwrap();
    fs::write(pair.published.path().join("packs/left"), "half").unwrap();
    pair.published.add(&busybox, "v3", &[]).ok();
    assert!(!pair.published.path().join(".extracted").exists());
    pair.published.publish("verify", &[]).ok();
}

#[test]
fn new_keys_are_taken_over_because_the_old_ones_have_signed_them() {
    let pair = Pair::new();
    let published = &pair.published;
    let own = published.beside("own").display().to_string();
    let rotate = |from: &str, to: &str| {
        let (old, new) =
            (published.beside(from).display().to_string(), published.key(to).display().to_string());
        let before = fs::read(published.signers()).unwrap();
        published.trust(&[to]);
        let keys = published.beside(&format!("keys-{to}"));
        fs::rename(published.signers(), &keys).unwrap();
        fs::write(published.signers(), before).unwrap();
        let keys = keys.display().to_string();
        published.publish("rotate", &[&keys, "--old-key", &old, "--key", &new]).ok();
    };
    // Whoever has not fetched for long follows one rotation after the other.
    rotate("own", "second");
    rotate("second", "third");
    let done = pair.fetch(&[]);
    assert!(done.stderr.contains("other keys are trusted from now on"), "{done:?}");
    assert!(done.stderr.contains("keys/2"), "{done:?}");
    done.ok();
    assert!(manage(&pair.disk, &["list"]).ok().contains("v2"));

    // The old key counts no more, although the machine still has it.
    let third = published.beside("third").display().to_string();
    published.publish("promote", &["v1", "--channel", "stable", "--key", &own]).ok();
    pair.fetch(&[]).refused(&["index", "was made with the ssh key SHA256:", "which is not in"]);
    published.publish("promote", &["v1", "--channel", "stable", "--key", &third]).ok();
    pair.fetch(&[]).ok();

    // Keys that a stranger has signed are not taken over.
    published.key("stranger");
    rotate("stranger", "fourth");
    pair.fetch(&[]).refused(&["index", "was made with the ssh key SHA256:", "which is not in"]);
}

#[test]
fn a_system_has_the_new_keys_in_its_etc() {
    let published = Published::both();
    let disk = published.disk();
    let etc = published.beside("etc/baserock");
    fs::create_dir_all(&etc).unwrap();
    let signers = etc.join("allowed_signers");
    fs::copy(published.signers(), &signers).unwrap();
    let own = published.beside("own").display().to_string();
    let new = published.key("new").display().to_string();
    published.trust(&["new"]);
    let keys = published.signers().display().to_string();
    // A key that the administrator has added stays, and two have to sign.
    let added = published.key("added").display().to_string();
    let folder = etc.join("allowed_signers.d");
    fs::create_dir(&folder).unwrap();
    fs::copy(published.beside("added.pub"), folder.join("added")).unwrap();
    let signed = ["--old-key", &own, "--old-key", &added, "--key", &new, "--key", &added];
    published.publish("rotate", &[&[keys.as_str()], &signed[..]].concat()).ok();
    published.publish("verify", &[]).ok();
    // The first mirror has a damaged index. The keys are taken over all the same.
    let damaged = published.beside("damaged");
    shell("cp", &["-a", published.path().to_str().unwrap(), damaged.to_str().unwrap()]);
    let index = fs::read_to_string(damaged.join("index")).unwrap();
    fs::write(damaged.join("index"), index.replace("\"serial\"", "\"serials\"")).unwrap();
    let settings = format!(
        "source = {damaged:?}\nmirrors = [{:?}]\nthen = \"nothing\"\nsigners = 2\n",
        published.path()
    );
    let fetch = |arguments: &[&str]| published.fetch_with_own_keys(&disk, &settings, arguments);
    fetch(&["fetch", "--dry-run"]).ok();
    let written = published.beside("upper/baserock/allowed_signers");
    assert!(!written.exists(), "a dry run changes nothing");
    let done = fetch(&["fetch"]);
    assert!(done.stderr.contains("/etc/baserock/allowed_signers has other keys from now on"), "{done:?}");
    let text = fs::read_to_string(written).unwrap();
    assert!(text.starts_with("# rotation 1 of ") && text.contains("\nnew namespaces="), "{text}");
}

#[test]
fn another_repository_at_the_same_place_is_refused_until_somebody_names_it() {
    let pair = Pair::new();
    let published = &pair.published;
    let settings = format!("source = {:?}\nthen = \"nothing\"\n", published.path());
    let fetch = |arguments: &[&str]| published.fetch_with_settings(&pair.disk, &settings, arguments);
    fetch(&["fetch"]).ok();
    // The same keys sign another repository, which has the serials of a newer one.
    fs::rename(published.path(), published.beside("first")).unwrap();
    published.add(&inputs::busybox().unwrap(), "v3", &[]).ok();
    fetch(&["fetch"]).refused(&["is another repository than before", "system-version-manager fetch /"]);
    fetch(&["upgrade"]).refused(&["is another repository than before"]);
    pair.fetch(&[]).ok();
    fetch(&["fetch"]).ok();
    // One that has only moved goes on where it was.
    published.add(&published.trees.first(), "v4", &[]).ok();
    let moved = published.beside("moved");
    fs::rename(published.path(), &moved).unwrap();
    published.fetch(&pair.disk, moved.to_str().unwrap(), &["v4"]).ok();
}
