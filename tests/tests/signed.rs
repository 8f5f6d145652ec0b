//! Versions that somebody has signed, and systems that take no others: fetched, pushed, written to a disk, or put there by hand.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;

use baserock_tests::image::Image;
use baserock_tests::programs::{Done, command, run, shell};
use baserock_tests::published::Published;
use baserock_tests::running::Running;
use baserock_tests::soundness::Existing;
use baserock_tests::ssh::Target;
use baserock_tests::sshd::Setup;
use baserock_tests::version::{manage, put_tree, write};

/// A disk whose default requires signatures by the key `own`, and who has the keys.
struct Strict {
    published: Published,
    disk: Image,
}

impl Strict {
    fn new() -> Self {
        let published = Published::new();
        published.key("stranger");
        let disk = Image::to_be();
        write(&published.trees.first(), &disk.path(), 2048).ok();
        let mounted = disk.mount("subvolid=5");
        let etc = mounted.path().join("systems/factory/run/etc/baserock");
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("upgrade.toml"), "require-signatures = true\n").unwrap();
        fs::copy(published.signers(), etc.join("allowed_signers")).unwrap();
        drop(mounted);
        Strict { published, disk }
    }

    fn key(&self, name: &str) -> String {
        self.published.beside(name).display().to_string()
    }

    /// Adds the second tree to the disk.
    fn write(&self, key: Option<&str>) -> Done {
        self.add("v2", key, &[("MERGE_ETC", "yes")])
    }

    fn add(&self, label: &str, key: Option<&str>, variables: &[(&str, &str)]) -> Done {
        let mut write = command("rawdisk-write");
        write.arg(self.published.trees.second()).arg(self.disk.path());
        write.envs([("UPGRADE", "yes"), ("VERSION_LABEL", label), ("BOOTLOADER_INSTALL", "none")]);
        write.envs(variables.iter().copied());
        run(write.envs(key.map(|key| ("SIGNING_KEY", self.key(key)))))
    }

    /// What the key says about this tree and label.
    fn vouch(&self, tree: &Path, label: &str, key: &str) -> String {
        let key = self.key(key);
        let mut vouch = command("baserock-publish");
        run(vouch.arg("vouch").arg(tree).args(["--label", label, "--key", &key])).ok()
    }

    fn sign(&self, label: &str, signed: &str) {
        let mounted = self.disk.mount("subvolid=5");
        fs::write(mounted.path().join("systems").join(label).join("signed"), signed).unwrap();
    }

    fn state(&self) -> Existing {
        Existing::on(self.disk.mount("subvolid=5").path())
    }
}

#[test]
fn a_disk_gets_only_what_is_signed() {
    let strict = Strict::new();
    let before = strict.state();
    let settings = "/systems/factory/run/etc/baserock/upgrade.toml requires signatures";
    strict.write(None).refused(&["version v2 is not signed, and ", settings, "set SIGNING_KEY"]);
    strict
        .write(Some("stranger"))
        .refused(&["version v2 does not count", "was made with the ssh key SHA256:"]);
    strict.write(Some("none")).refused(&["none", "No such file"]);
    let found = strict.state().differences(&before);
    assert!(found.is_empty(), "{found:?}");
    strict.write(Some("own")).ok();
    let said = manage(&strict.disk, &["verify", "v2"]).ok();
    assert!(said.contains(", signed by ssh key SHA256:") && said.ends_with(" (own)\n"), "{said}");
    // Without a merge, /etc of the new default is that of its tree.
    let no_longer = "the disk takes versions without signatures from now on: /etc of v3";
    assert!(
        !strict
            .add("merged", Some("own"), &[("MERGE_ETC", "yes")])
            .succeeded()
            .stderr
            .contains("from now on")
    );
    let said = strict.add("v3", Some("own"), &[]).succeeded();
    assert!(said.stderr.contains(no_longer), "{}", said.stderr);
    assert!(!strict.add("v4", None, &[]).succeeded().stderr.contains("from now on"));
}

#[test]
fn what_is_put_there_by_hand_needs_a_signature_of_its_own_label() {
    let strict = Strict::new();
    put_tree(&strict.disk, "mine", |_| ());
    let deploy = |words: &[&str]| manage(&strict.disk, &["deploy", "/systems/mine/orig"]).refused(words);
    deploy(&["version mine is not signed", "baserock-publish vouch"]);
    let tree = strict.disk.place().join("copy");
    {
        let mounted = strict.disk.mount("subvolid=5");
        let orig = mounted.path().join("systems/mine/orig");
        shell("cp", &["-a", orig.to_str().unwrap(), tree.to_str().unwrap()]);
    }
    strict.sign("mine", &strict.vouch(&tree, "other", "own"));
    deploy(&["version mine has the signature of another tree or label"]);
    strict.sign("mine", &strict.vouch(&tree, "mine", "stranger"));
    deploy(&["version mine does not count"]);
    manage(&strict.disk, &["deploy", "/systems/mine/orig", "--dry-run"])
        .refused(&["version mine does not count"]);
    strict.sign("mine", "a signature\n");
    deploy(&["version mine does not count", "is not signed"]);
    strict.sign("mine", &strict.vouch(&tree, "mine", "own"));
    manage(&strict.disk, &["deploy", "/systems/mine/orig"]).ok();
    // What was signed of another tree is a fault of the version.
    manage(&strict.disk, &["verify", "--record", "mine"]).ok();
    assert!(manage(&strict.disk, &["verify", "mine"]).ok().contains(", signed by ssh key SHA256:"));
    strict.sign("mine", &strict.vouch(&strict.published.trees.second(), "mine", "own"));
    let wrong = manage(&strict.disk, &["verify", "mine"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, "mine: its signature is that of another tree\n"));
    // The tree is another one than was signed, by one time.
    put_tree(&strict.disk, "late", |orig| {
        shell("touch", &["-d", "2001-02-03", orig.join("etc/fstab").to_str().unwrap()]);
    });
    strict.sign("late", &strict.vouch(&tree, "late", "own"));
    manage(&strict.disk, &["deploy", "/systems/late/orig"])
        .refused(&["version late has the signature of another tree"]);
}

#[test]
fn an_import_needs_a_signature_too() {
    let strict = Strict::new();
    let tree = strict.published.trees.second();
    let import = |key: Option<&str>| {
        let mut import = command("system-version-manager");
        import.arg("--volume").arg(strict.disk.path()).arg("import").arg("local").arg(&tree);
        run(import.envs(key.map(|key| ("SIGNING_KEY", strict.key(key)))))
    };
    import(None).refused(&["version local is not signed"]);
    import(Some("own")).ok();
    assert!(manage(&strict.disk, &["verify", "local"]).ok().contains(", signed by ssh key SHA256:"));
}

#[test]
fn a_push_carries_its_signature() {
    let strict = Strict::new();
    let target = Target::of(Running::start(&strict.disk, "factory"), &Setup::default());
    let tree = strict.published.trees.second();
    run(&mut target.push(&tree, "v2")).refused(&["version v2 is not signed, and /etc/baserock/upgrade.toml"]);
    run(target.push(&tree, "v2").env("SIGNING_KEY", strict.key("stranger")))
        .refused(&["version v2 does not count", "which is not in /etc/baserock/allowed_signers"]);
    assert_eq!(target.system.manage(&["list"]).ok(), "factory (running) (default)\n");
    run(target.push(&tree, "v2").env("SIGNING_KEY", strict.key("own"))).ok();
    let said = target.system.manage(&["verify", "v2"]).ok();
    assert!(said.contains(", signed by ssh key SHA256:"), "{said}");
}

#[test]
fn a_new_disk_can_be_signed() {
    let published = Published::new();
    let disk = Image::to_be();
    let mut write = command("rawdisk-write");
    write.arg(published.trees.first()).arg(disk.path());
    write
        .envs([("DISK_SIZE", "512M"), ("BOOTLOADER_INSTALL", "none")])
        .env("SIGNING_KEY", published.beside("own"));
    run(&mut write).ok();
    let said = manage(&disk, &["verify"]).ok();
    assert!(said.contains(", signed, which does not count here: no keys are trusted"), "{said}");
    let said = published.verify(&disk, "factory").ok();
    assert!(said.contains(", signed by ssh key SHA256:") && said.ends_with(" (own)\n"), "{said}");
}
