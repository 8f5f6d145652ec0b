//! `baserock-tools`: trees get the programs, and what runs them when a machine starts and goes down. `boot_trial` boots such a tree.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use baserock_tests::inputs;
use baserock_tests::programs::{Done, command, path, run, shell};
use tempfile::TempDir;

/// A tree of busybox to configure.
struct Tree(TempDir);

impl Tree {
    fn new() -> Tree {
        let place = tempfile::tempdir().unwrap();
        let small = inputs::busybox().unwrap();
        shell("cp", &["-a", small.to_str().unwrap(), place.path().join("tree").to_str().unwrap()]);
        Tree(place)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join("tree").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn configure(&self, variables: &[(&str, &str)]) -> Done {
        run(command("baserock-tools-configure").arg(self.at("")).envs(variables.iter().copied()))
    }

    /// Everything in it.
    fn names(&self) -> String {
        shell("find", &[self.at("").to_str().unwrap(), "-printf", "%P %l %T@\n"])
    }
}

#[test]
fn a_tree_with_systemd_gets_units() {
    let tree = Tree::new();
    tree.write("usr/lib/systemd/systemd", b"");
    tree.write("usr/bin/system-version-manager", b"an old one");
    fs::create_dir_all(tree.at("etc/systemd/system")).unwrap();
    symlink("/dev/null", tree.at("etc/systemd/system/baserock-finish.service")).unwrap();
    let done = tree.configure(&[]).succeeded();
    let said = format!("{}{}", done.stdout, done.stderr);
    for words in [
        "/usr/bin/system-version-manager of the tree is replaced",
        "installed /usr/bin/baserock-system-config-sync for x86_64",
        "enabled baserock-confirm.service",
        "baserock-finish.service is masked in the tree, and stays so",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    for name in ["system-version-manager", "baserock-system-config-sync"] {
        let installed = tree.at("usr/bin").join(name);
        assert_eq!(fs::read(&installed).unwrap(), fs::read(path(name)).unwrap());
        assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o7777, 0o755);
    }
    for (unit, target) in
        [("baserock-trial.service", "sysinit.target"), ("baserock-confirm.service", "multi-user.target")]
    {
        let link = tree.at(&format!("etc/systemd/system/{target}.wants/{unit}"));
        assert_eq!(fs::read_link(link).unwrap(), Path::new("/usr/lib/systemd/system").join(unit));
        assert!(tree.read(&format!("usr/lib/systemd/system/{unit}")).contains("ExecStart="));
    }
    assert!(!tree.at("etc/init.d/baserock-trial").exists());
    // A second time changes nothing.
    let list = || shell("find", &[tree.at("").to_str().unwrap(), "-printf", "%P %l %s\n"]);
    let before = list();
    tree.configure(&[]).ok();
    assert_eq!(list(), before);
}

#[test]
fn a_tree_without_systemd_gets_a_script_that_init_runs() {
    let tree = Tree::new();
    let done = tree.configure(&[]).succeeded();
    let words = "the tree has neither systemd nor /etc/inittab: have its init system run /etc/init.d/baserock-trial start";
    assert!(done.stderr.contains(words) || done.stdout.contains(words), "{done:?}");
    let script = tree.at("etc/init.d/baserock-trial");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o7777, 0o755);
    shell("busybox", &["sh", "-n", script.to_str().unwrap()]);
    assert_eq!(run(std::process::Command::new(&script).arg("restart")).code, 2);

    tree.write("etc/inittab", b"::sysinit:/etc/init.d/rcS\n");
    tree.configure(&[]).ok();
    let table = "::sysinit:/etc/init.d/baserock-trial start\n::shutdown:/etc/init.d/baserock-trial stop\n\
                 ::sysinit:/etc/init.d/rcS\n::once:/etc/init.d/baserock-trial confirm\n";
    assert_eq!(tree.read("etc/inittab"), table);
    tree.configure(&[]).ok();
    assert_eq!(tree.read("etc/inittab"), table);

    fs::remove_file(tree.at("sbin/init")).unwrap();
    fs::copy(tree.at("bin/busybox"), tree.at("sbin/init")).unwrap();
    tree.write("etc/inittab", b"si::sysinit:/etc/init.d/rcS\n");
    tree.configure(&[]).ok();
    assert!(tree.read("etc/inittab").starts_with("bkt0::sysinit:/etc/init.d/baserock-trial start\n"));
}

#[test]
fn a_tree_for_another_machine_gets_programs_for_that_or_is_refused() {
    let tree = Tree::new();
    let elf = |machine: u8| [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &[machine, 0]].concat();
    tree.write("bin/busybox", &elf(183));
    let before = tree.names();
    tree.configure(&[]).refused(&[
        "the tree is for aarch64, and there is no ",
        "/agents/aarch64/system-version-manager; install",
        "BASEROCK_TOOLS=no",
    ]);
    tree.configure(&[("BASEROCK_TOOLS", "maybe")]).refused(&["BASEROCK_TOOLS is \"maybe\""]);
    tree.configure(&[("BASEROCK_TOOLS", "no")]).ok();
    // One of the two programs is not enough.
    let programs = tempfile::tempdir().unwrap();
    let folder = programs.path().join("aarch64");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("system-version-manager"), "for aarch64").unwrap();
    let machines = [("BASEROCK_AGENTS", programs.path().to_str().unwrap())];
    tree.configure(&machines).refused(&["/aarch64/baserock-system-config-sync; install"]);
    assert_eq!(tree.names(), before);
    fs::write(folder.join("baserock-system-config-sync"), "for aarch64").unwrap();
    tree.configure(&machines).ok();
    assert_eq!(tree.read("usr/bin/system-version-manager"), "for aarch64");

    let empty = Tree::new();
    fs::remove_dir_all(empty.at("bin")).unwrap();
    fs::remove_dir_all(empty.at("sbin")).unwrap();
    empty.configure(&[]).refused(&["the tree has no program by which its architecture could be known"]);
    assert!(!empty.at("usr").exists());
    empty.write("sbin/init", &elf(62));
    empty.configure(&[]).ok();
}
