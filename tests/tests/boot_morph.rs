//! A machine made from the example definitions upgrades itself with them. `morph_cycle` builds and tries again.
//!
//! Pace: boots machines, begun first

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use baserock_tests::bootable::Tree;
use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::machine::Machine;
use baserock_tests::programs::run;
use baserock_tests::small_guest;

/// Where the definitions are on the machine, and what is typed there.
const DEFINITIONS: &str = "/root/definitions";
const UPGRADE: &str =
    "morph upgrade clusters/upgrade-devel.morph self.HOSTNAME=$(hostname) self.VERSION_LABEL=devel";

#[test]
fn booted_machine_upgrades_itself_from_its_definitions() {
    let image = made_by_morph();
    let mut machine = Machine::boot(&image.path());
    assert_eq!(machine.run("hostname"), "devel");
    assert_eq!(machine.run("system-version-manager list"), "factory (running) (default)");
    machine.run("hostnamectl hostname mine; echo changed > /etc/motd");

    let said = machine.run(&format!("cd {DEFINITIONS} && {UPGRADE}"));
    assert!(said.ends_with("self: deployed"), "{said}");
    machine.reboot();
    assert_eq!(machine.run("system-version-manager list"), "devel (running) (default)\nfactory");
    assert_eq!(machine.run("hostname; cat /etc/motd /etc/build"), "mine\nchanged\ncarried");
    assert!(machine.run("cat /etc/motd.d/welcome").contains("This is a system to develop on"));
    machine.power_off();
}

/// The image of the example, with the definitions in it, and the archive of the next version.
fn made_by_morph() -> Image {
    let (definitions, tree, image) = (Definitions::example(), Tree::new(Debian::Release), Image::to_be());
    fs::create_dir_all(definitions.path("artifacts")).unwrap();
    symlink(tree.path(), definitions.path("artifacts/devel-system-x86_64")).unwrap();
    let location = format!("devel.location={}", image.path().display());
    definitions.done(&["deploy", "clusters/image.morph", &location]);
    let mounted = image.mount("subvolid=5");
    small_guest::hurry(mounted.path());
    let home = mounted.path().join("state/root");
    carry_definitions(&home.join("definitions"), &tree);
    let_in_from_itself(&home.join(".ssh"));
    image
}

fn carry_definitions(to: &Path, tree: &Tree) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions");
    run(Command::new("cp").arg("-a").args([&source, to])).ok();
    for folder in [".git", "artifacts"] {
        fs::create_dir(to.join(folder)).unwrap();
    }
    fs::write(tree.path().join("etc/build"), "carried\n").unwrap();
    let archive = to.join("artifacts/devel-system-x86_64.tar.zst");
    let mut pack = Command::new("tar");
    pack.args(["--zstd", "--xattrs", "--numeric-owner", "-cf"]).arg(archive).arg("-C");
    run(pack.arg(tree.path()).arg(".")).ok();
}

/// Lets root log in at the machine itself without being asked anything.
fn let_in_from_itself(ssh: &Path) {
    fs::copy(inputs::ssh_key().unwrap(), ssh.join("id_ed25519")).unwrap();
    fs::set_permissions(ssh.join("id_ed25519"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(ssh.join("config"), "Host localhost\nStrictHostKeyChecking accept-new\n").unwrap();
}
