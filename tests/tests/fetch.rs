//! Versions are published in a repository and fetched from it: by a delta, from any version, from a web server, a mirror or a folder.
//!
//! Pace: seconds

use std::collections::HashSet;
use std::fs;

use baserock_tests::image::Image;
use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::published::Published;
use baserock_tests::soundness::Existing;
use baserock_tests::version::{self, assert_identical, manage};
use baserock_tests::web::{How, Web};

const LIST: &str = "factory (default)\nv2\n";

fn fetched_well(published: &Published, disk: &Image) {
    assert_eq!(manage(disk, &["list"]).ok(), LIST);
    let mounted = disk.mount("subvolid=5");
    assert_identical(mounted.path(), "v2", &published.trees.second());
    assert!(mounted.path().join("systems/v2/run/etc/vendor.conf").is_file(), "it is not deployed");
}

#[test]
fn the_next_version_comes_by_a_delta() {
    let (published, web) = served(|_| How::Well);
    let disk = published.disk();
    let done = published.fetch(&disk, &web.url(""), &[]);
    assert!(done.stdout.starts_with("v2: fetched "), "{done:?}");
    fetched_well(&published, &disk);
    let asked: Vec<String> = web.requests().into_iter().map(|request| request.path).collect();
    assert!(asked.len() <= 5 && asked.iter().any(|path| path.starts_with("/deltas/")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.starts_with("/packs/")), "{asked:?}");
    let manifests: Vec<_> = asked.iter().filter(|path| path.starts_with("/manifests/")).collect();
    assert!(
        manifests.len() == 1 && manifests[0].contains('-'),
        "the manifest comes as a difference: {asked:?}"
    );

    let said = published.verify(&disk, "v2").ok();
    assert!(said.starts_with("v2: whole (") && said.contains(", fetched from http://"), "{said}");
    assert!(said.contains("signed by ssh key SHA256:") && said.ends_with(" (own)\n"), "{said}");

    let again = published.fetch(&disk, &web.url(""), &["--format", "json"]).ok();
    assert!(again.contains("\"label\":\"v2\",\"changed\":false"), "{again}");
    assert!(again.contains("\"signed_by\":[\"ssh key SHA256:"), "{again}");
}

#[test]
fn a_version_comes_to_a_machine_that_no_delta_begins_with() {
    let (published, web) = served(|_| How::Well);
    let disk = Image::to_be();
    version::write(&inputs::busybox().unwrap(), &disk.path(), 512).ok();
    published.fetch(&disk, &web.url(""), &[]).ok();
    fetched_well(&published, &disk);
    assert!(web.requests().iter().any(|request| request.path.starts_with("/packs/")));
}

#[test]
fn whoever_has_nothing_reads_little_of_older_versions() {
    let published = Published::new();
    published.add(&published.trees.first(), "v1", &["--deltas", "0"]).ok();
    published.add(&published.trees.second(), "v2", &["--deltas", "0"]).ok();
    let web = Web::folder(&published.path(), |_| How::Well);
    let fetch = |disk: &Image| -> Vec<String> {
        published.fetch(disk, &web.url(""), &[]).ok();
        fetched_well(&published, disk);
        web.requests()
            .into_iter()
            .map(|request| request.path)
            .filter(|path| path.starts_with("/packs/"))
            .collect()
    };
    // The first pack has one unit, half of which is not in the second version.
    let empty = Image::to_be();
    version::write(&inputs::busybox().unwrap(), &empty.path(), 512).ok();
    let asked = fetch(&empty);
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), 1, "{asked:?}");
    assert_eq!(fetch(&published.disk()).len(), 2 * asked.len(), "a head, and what is new");
    published.publish("verify", &[]).ok();
}

#[test]
fn a_label_names_a_version_and_a_folder_is_a_repository() {
    let published = Published::both();
    let disk = published.disk();
    let folder = published.path();
    published.fetch(&disk, folder.to_str().unwrap(), &["v1"]).ok();
    assert_eq!(manage(&disk, &["list"]).ok(), "factory (default)\nv1\n");
    let url = format!("file://{}", folder.display());
    published.fetch(&disk, &url, &[]).ok();
    published.fetch(&disk, &url, &["v7"]).refused(&["has no version v7, only v1, v2"]);
    let nightly = published.fetch(&disk, &url, &["--channel", "nightly"]);
    nightly.refused(&["has no channel nightly, only stable"]);
}

/// How a file is served: the delta, the difference of the manifests, or another one.
type Serving = fn(Asked) -> How;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Delta,
    Difference,
    Other,
}

#[test]
fn servers_that_do_badly_serve_all_the_same() {
    let asked = |path: &str| match path {
        _ if path.starts_with("/deltas/") => Asked::Delta,
        _ if path.starts_with("/manifests/") && path.contains('-') => Asked::Difference,
        _ => Asked::Other,
    };
    let ways: [(&str, Serving); 7] = [
        ("breaks off", |asked| if asked == Asked::Delta { How::Breaks(40_000) } else { How::Well }),
        ("has no ranges", |_| How::WithoutRanges),
        ("breaks off without ranges", |_| How::BreaksWithoutRanges(700)),
        ("has a problem once", |_| How::FailsOnce(503)),
        ("has no delta", |asked| if asked == Asked::Delta { How::Status(404) } else { How::Well }),
        ("has no difference", |asked| if asked == Asked::Difference { How::Status(404) } else { How::Well }),
        ("has neither", |asked| if asked == Asked::Other { How::Well } else { How::Status(404) }),
    ];
    let published = Published::both();
    for (what, how) in ways {
        let web = Web::folder(&published.path(), |path| how(asked(path)));
        let disk = published.disk();
        let done = published.fetch(&disk, &web.url(""), &[]);
        assert_eq!(done.code, 0, "a server that {what}: {done:?}");
        fetched_well(&published, &disk);
    }
}

#[test]
fn the_next_mirror_has_what_one_does_not_have() {
    let published = Published::both();
    let lagging = Web::folder(&published.path(), |path| match path {
        "/index" => How::Well,
        _ => How::Status(404),
    });
    let altered = Web::folder(&published.path(), |path| match path {
        "/index" => How::Well,
        _ => How::Redirects("/index".to_owned()),
    });
    let good = Web::folder(&published.path(), |_| How::Well);
    let disk = published.disk();
    let [lagging, altered, good] = [lagging, altered, good].map(|web| web.url(""));
    let settings = format!("source = \"{lagging}\"\nmirrors = [\"{altered}\", \"{good}\"]\n");
    let done = published.fetch_with_settings(&disk, &settings, &["fetch"]);
    for fault in ["the server has no such file (404)", "is not what the index says"] {
        let line = done.stderr.lines().find(|line| line.contains(fault));
        assert!(line.is_some_and(|line| line.ends_with("trying the next mirror")), "{fault}: {done:?}");
    }
    done.ok();
    fetched_well(&published, &disk);
}

#[test]
fn an_upgrade_leaves_alone_what_was_chosen_before() {
    let published = Published::both();
    let disk = published.disk();
    let settings =
        format!("source = \"{}\"\nthen = \"default\"\nreboot = true\n", published.path().display());
    let upgrade = || published.fetch_with_settings(&disk, &settings, &["upgrade"]);
    published.fetch(&disk, published.path().to_str().unwrap(), &[]).ok();
    // It is there and nobody has chosen it, so an upgrade does. The machine that works on a disk is not restarted.
    upgrade().ok();
    assert_eq!(manage(&disk, &["list"]).ok(), "factory\nv2 (default)\n");
    // It has come up, and then somebody goes back.
    {
        let mounted = disk.mount("subvolid=5");
        fs::write(mounted.path().join("systems/v2/came-up.json"), "{\"format\": 1}\n").unwrap();
    }
    manage(&disk, &["set-default", "factory"]).ok();
    assert_eq!(upgrade().ok(), "v2: nothing to do\n");
    assert_eq!(manage(&disk, &["list"]).ok(), "factory (default)\nv2\n");
    let reboot = published.fetch_with_settings(&disk, &settings, &["upgrade", "--reboot"]);
    reboot.refused(&["--reboot restarts this machine, and the volume is not its own"]);
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let (published, web) = served(|_| How::Well);
    let disk = published.disk();
    let look = || Existing::on(disk.mount("subvolid=5").path());
    let before = look();
    let done = published.fetch(&disk, &web.url(""), &["--dry-run"]);
    assert!(done.stderr.contains("v2 would be fetched: "), "{done:?}");
    done.ok();
    assert!(look().differences(&before).is_empty());
}

#[test]
fn a_wave_leaves_the_other_machines_alone() {
    let published = Published::both();
    let own = published.beside("own");
    let promote = |percent: &str| {
        let more = ["v2", "--channel", "stable", "--percent", percent, "--key", own.to_str().unwrap()];
        published.publish("promote", &more).ok();
    };
    promote("0");
    let disk = published.disk();
    let folder = published.path();
    let done = published.fetch(&disk, folder.to_str().unwrap(), &[]);
    assert!(done.stderr.contains("v2 goes to 0 of 100 machines now, and not to this one"), "{done:?}");
    assert_eq!(done.ok(), "v2: nothing to do\n");
    assert_eq!(manage(&disk, &["list"]).ok(), "factory (default)\n");
    promote("100");
    published.fetch(&disk, folder.to_str().unwrap(), &[]).ok();
    fetched_well(&published, &disk);
}

#[test]
fn ssh_itself_verifies_the_index() {
    let published = Published::both();
    let index = fs::read_to_string(published.path().join("index")).unwrap();
    let end = "-----END SSH SIGNATURE-----\n";
    let (signature, body) = index.split_at(index.find(end).unwrap() + end.len());
    let (signature_file, body_file) = (published.beside("index.sig"), published.beside("index.json"));
    fs::write(&signature_file, signature).unwrap();
    fs::write(&body_file, body).unwrap();
    let verify = "ssh-keygen -Y verify -f \"$0\" -I own -n baserock-repository -s \"$1\" < \"$2\"";
    let files =
        [published.signers(), signature_file, body_file].map(|file| file.to_str().unwrap().to_owned());
    let said = shell("sh", &["-ec", verify, &files[0], &files[1], &files[2]]);
    assert!(said.starts_with("Good \"baserock-repository\" signature for own"), "{said}");
}

#[test]
fn what_is_published_again_is_not_stored_again() {
    let published = Published::both();
    let files = || {
        shell("find", &[published.path().to_str().unwrap(), "-type", "f", "-path", "*/*/*"]).lines().count()
    };
    let before = files();
    published.add(&published.trees.second(), "v2", &[]).ok();
    published.add(&published.trees.second(), "same", &["--level", "1"]).ok();
    assert_eq!(files(), before);
    published.add(&published.trees.first(), "v2", &[]).refused(&["has another version v2"]);
    let said = published.publish("verify", &[]).ok();
    assert!(said.ends_with("files are as the index says\n"), "{said}");
    let list = published.publish("list", &[]).ok();
    assert!(list.contains("same") && list.contains("serial 4"), "{list}");
}

#[test]
fn what_a_publisher_has_left_that_was_cut_off_does_not_count() {
    let published = Published::both();
    for delta in fs::read_dir(published.path().join("deltas")).unwrap() {
        fs::write(delta.unwrap().path(), "half").unwrap();
    }
    fs::remove_file(published.path().join("index")).unwrap();
    published.add(&published.trees.first(), "v1", &[]).ok();
    published.add(&published.trees.second(), "v2", &[]).ok();
    published.publish("verify", &[]).ok();
    assert_eq!(fs::read_dir(published.path().join("deltas")).unwrap().count(), 1);
}

#[test]
fn a_folder_without_an_index_is_left_as_it_is() {
    let published = Published::new();
    fs::create_dir(published.path()).unwrap();
    let key = published.beside("own");
    let key = ["--key", key.to_str().unwrap()];
    let promote = published.publish("promote", &[&["v1", "--channel", "stable"], &key[..]].concat());
    promote.refused(&["is no repository: it has no index", "baserock-publish add"]);
    published.publish("sign", &key).refused(&["is no repository"]);
    assert_eq!(fs::read_dir(published.path()).unwrap().count(), 0);
    fs::remove_dir(published.path()).unwrap();
    published.publish("prune", &[&["--keep", "1"], &key[..]].concat()).refused(&["repository"]);
    assert!(!published.path().exists());
}

#[test]
fn a_key_that_is_missing_is_named_before_anything_is_made() {
    let published = Published::new();
    fs::remove_file(published.beside("own")).unwrap();
    published.add(&published.trees.first(), "v1", &[]).refused(&["cannot read the key", "/own"]);
    assert!(!published.path().exists());
}

#[test]
fn a_tree_of_one_machine_is_not_published() {
    let published = Published::new();
    let tree = published.trees.first();
    fs::create_dir_all(tree.join("etc/ssh")).unwrap();
    fs::write(tree.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::write(tree.join("etc/ssh/ssh_host_rsa_key"), "key").unwrap();
    published.add(&tree, "v1", &[]).refused(&["a name in /etc/machine-id", "/etc/ssh/ssh_host_rsa_key"]);
    assert!(!published.path().exists());
}

#[test]
fn old_versions_leave_when_no_index_names_them_any_more() {
    let published = Published::both();
    published.add(&inputs::busybox().unwrap(), "v3", &["--lifetime", "0"]).ok();
    let manifests = || fs::read_dir(published.path().join("manifests")).unwrap().count();
    let before = manifests();
    let own = published.beside("own");
    let prune = ["--keep", "1", "--key", own.to_str().unwrap(), "--lifetime", "0"];
    let done = published.publish("prune", &prune);
    assert!(done.stderr.contains("v1 is not offered any more"), "{done:?}");
    let list = published.publish("list", &[]).ok();
    assert!(!list.contains("v1") && list.contains("v3"), "{list}");
    assert_eq!(manifests(), before, "somebody may still be fetching");
    published.publish("verify", &[]).ok();
}

#[test]
fn the_extension_publishes_too() {
    let published = Published::new();
    let mut write = command("publish-write");
    write.arg(published.trees.first()).arg(published.path());
    write
        .env("VERSION_LABEL", "v1")
        .env("PUBLISH_CHANNEL", "stable")
        .env("SIGNING_KEY", published.beside("own"));
    run(write.env("KERNEL_ARGS", "quiet")).ok();
    let index = published.publish("list", &["--json"]).ok();
    assert!(index.contains("\"KERNEL_ARGS\": \"quiet\""), "{index}");
    let refused = run(command("publish-check").arg(published.path()).env("VERSION_LABEL", "v2"));
    refused.refused(&["SIGNING_KEY is not set"]);
}

/// A repository with both versions, on a web server.
fn served(how: impl Fn(&str) -> How) -> (Published, Web) {
    let published = Published::both();
    let web = Web::folder(&published.path(), how);
    (published, web)
}

#[test]
fn another_tree_of_this_label_is_left_as_it_is() {
    let published = Published::both();
    let disk = published.disk();
    let mut write = command("rawdisk-write");
    write.arg(inputs::busybox().unwrap()).arg(disk.path()).env("BOOTLOADER_INSTALL", "none");
    run(write.envs([("UPGRADE", "yes"), ("VERSION_LABEL", "v2")])).ok();
    let before = Existing::on(disk.mount("subvolid=5").path());
    let done = published.fetch(&disk, published.path().to_str().unwrap(), &[]);
    done.refused(&["version v2 exists", "system-version-manager remove v2"]);
    let found = Existing::on(disk.mount("subvolid=5").path()).differences(&before);
    assert!(found.iter().all(|fault| fault.contains("repositories.json")), "{found:?}");
}

#[test]
fn two_fetches_at_once_bring_one_version() {
    let published = Published::both();
    let disk = published.disk();
    let path = published.path();
    let fetch = || published.fetch(&disk, path.to_str().unwrap(), &["--limit", "100K"]);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(fetch);
        (fetch(), other.join().unwrap())
    });
    let refused = |done: &Done| done.code == 1 && done.stderr.contains("wait for it to end, or use --wait");
    assert!(one.code == 0 || refused(&one), "{one:?}");
    assert!(other.code == 0 || refused(&other), "{other:?}");
    assert!(one.code == 0 || other.code == 0, "{one:?} {other:?}");
    fetched_well(&published, &disk);
}
