//! Chroots of ordinary users, with many ids and with one, and where user namespaces are forbidden.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use baserock_tests::chroot::{Place, path};
use baserock_tests::programs::{Done, run, shell};

/// A user who has no account, and with that no ranges of ids.
const NOBODY_ELSE: u32 = 61_234;

/// An account with ranges of ids, gone with this value.
struct Account {
    name: String,
    uid: u32,
}

impl Account {
    fn new() -> Self {
        let name = format!("baserock-test-{}", std::process::id());
        run(Command::new("useradd").args(["--no-create-home", "--shell", "/bin/sh", &name])).ok();
        let uid = run(Command::new("id").args(["-u", &name])).ok().trim().parse().unwrap();
        let ranges = fs::read_to_string("/etc/subuid").unwrap();
        assert!(ranges.contains(&format!("{name}:")), "useradd gave {name} no ranges");
        Account { name, uid }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        run(Command::new("userdel").arg(&self.name)).ok();
    }
}

/// A place whose store belongs to the user.
fn place_of(uid: u32) -> Place {
    let place = Place::new();
    place.busybox();
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(uid), Some(uid)).unwrap();
    // The programs' folder may be out of an ordinary user's reach.
    for program in ["manage-baserock", "enter-baserock"] {
        // Another test that starts a program meanwhile would inherit a file that is open here for writing, and keep it busy.
        let (from, to) = (baserock_tests::programs::path(program), place.path().join(program));
        shell("cp", &[from.to_str().unwrap(), to.to_str().unwrap()]);
        fs::set_permissions(place.path().join(program), PermissionsExt::from_mode(0o755)).unwrap();
    }
    place
}

fn run_as(uid: u32, place: &Place, program: &str, arguments: &[&str]) -> Done {
    let mut command = Command::new(place.path().join(program));
    command.args(arguments).env_remove("BASEROCK_CHROOTS").env("HOME", place.path().join("home"));
    run(command.uid(uid).gid(uid).current_dir(place.path()))
}

/// What every user can do, however many ids there are.
fn whole_life(uid: u32) -> Place {
    let place = place_of(uid);
    place.shell("mkdir dev; mknod dev/null c 1 3; tar -rf busybox.tar dev/null");
    let manage = |arguments: &[&str]| run_as(uid, &place, "manage-baserock", arguments);
    let enter = |arguments: &[&str]| run_as(uid, &place, "enter-baserock", arguments);
    let done = manage(&["add", "one", "busybox.tar"]);
    assert!(done.stderr.contains("device nodes were left out: only root can make them"), "{}", done.stderr);
    assert_eq!(done.ok(), "added one, the default\n");
    assert!(place.path().join("home/.local/share/baserock/one/tree/bin/busybox").exists());
    assert!(enter(&["--", "id"]).ok().starts_with("uid=0(root)"));
    assert_eq!(enter(&["--", "sh", "-c", "exit 3"]).code, 3);
    assert_eq!(enter(&["--", "no-such-command"]).code, 127);
    enter(&[
        "--",
        "sh",
        "-c",
        "echo x > /dev/null; echo y > /src/y; mkdir -p /a/b; echo z > /a/b/c; cat /proc/self/stat",
    ])
    .ok();
    let shared = fs::read_to_string(place.path().join("home/.local/share/baserock/src/y")).unwrap();
    assert_eq!(shared, "y\n");
    manage(&["clone", "one", "two"]).ok();
    manage(&["rm", "one", "--force"]).ok();
    assert_eq!(enter(&["two", "--", "cat", "/a/b/c"]).ok(), "z\n");
    place
}

#[test]
fn a_user_with_ranges_keeps_the_owners() {
    let account = Account::new();
    let place = place_of(account.uid);
    place.shell("mkdir home2; echo x > owned; chown 55:66 owned; tar --numeric-owner -rf busybox.tar owned");
    let done = run_as(account.uid, &place, "manage-baserock", &["add", "one", "busybox.tar"]);
    assert!(!done.stderr.contains("belong to you"), "{}", done.stderr);
    done.ok();
    let seen = run_as(account.uid, &place, "enter-baserock", &["--", "ls", "-ln", "/owned"]).ok();
    assert_eq!(seen.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["55", "66"]);
    let id = run_as(account.uid, &place, "enter-baserock", &["--user", "thing", "--", "id", "-u"]).ok();
    assert_eq!(id, "100\n");
    run_as(account.uid, &place, "manage-baserock", &["rm", "one"]).ok();
    assert_eq!(
        fs::read_dir(place.path().join("home/.local/share/baserock")).unwrap().count(),
        1,
        "only src is left"
    );
    whole_life(account.uid);
}

#[test]
fn a_user_with_one_id_owns_everything() {
    let place = whole_life(NOBODY_ELSE);
    let file = place.path().join("home/.local/share/baserock/two/tree/etc/shadow");
    assert_eq!(fs::metadata(file).unwrap().uid(), NOBODY_ELSE);
    let done = run_as(NOBODY_ELSE, &place, "manage-baserock", &["add", "three", "busybox.tar"]);
    assert_eq!(done.stderr.matches("all files belong to you").count(), 1, "{}", done.stderr);
    let done = run_as(NOBODY_ELSE, &place, "enter-baserock", &["--user", "thing", "--", "id"]);
    assert_eq!(done.code, 125);
    assert!(done.stderr.contains("/etc/subuid"), "{}", done.stderr);
}

#[test]
fn a_store_of_somebody_else_is_refused() {
    let place = place_of(NOBODY_ELSE);
    let store = format!("{}/store", place.path().display());
    run_as(NOBODY_ELSE, &place, "manage-baserock", &["--store", &store, "add", "x", "busybox.tar"])
        .refused(&["cannot create the store", "Permission denied"]);
}

#[test]
fn only_root_enters_a_version() {
    let place = place_of(NOBODY_ELSE);
    let done = run_as(NOBODY_ELSE, &place, "enter-baserock", &["--version", "factory"]);
    assert_eq!(done.code, 125);
    assert!(done.stderr.contains("only root can enter a version"), "{}", done.stderr);
}

/// The setting counts for namespaces below the one in which it is made, so that the machine itself is not touched.
#[test]
fn where_namespaces_are_forbidden_the_setting_is_named() {
    let place = place_of(NOBODY_ELSE);
    place.shell(&format!("chown -R {NOBODY_ELSE} home"));
    let inner = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces; \
         HOME={0}/home exec setpriv --reuid {NOBODY_ELSE} --regid {NOBODY_ELSE} --clear-groups \
         {0}/manage-baserock add x {1}",
        place.path().display(),
        path(&place.busybox())
    );
    // A namespace with the ids of this one, in which the setting is another.
    let script = "mkfifo go; unshare --user bash -c 'read -r _; exec bash -c \"$0\"' \"$0\" < go & exec 3> go
        until [ \"$(readlink /proc/$!/ns/user)\" != \"$(readlink /proc/self/ns/user)\" ]; do sleep 0.01; done
        echo 0 0 65536 > /proc/$!/uid_map; echo 0 0 65536 > /proc/$!/gid_map; echo go >&3; wait $!";
    let mut command = Command::new("bash");
    let done =
        run(command.args(["-c", script, &inner]).current_dir(place.path()).env_remove("BASEROCK_CHROOTS"));
    done.refused(&[
        "user namespaces are forbidden here: sysctl user.max_user_namespaces is 0",
        "run this as root",
    ]);
}
