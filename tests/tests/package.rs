//! The packages that `cargo xtask package` makes: the same twice, without errors for Debian, and of use on a fresh Debian.
//!
//! Pace: minutes

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use baserock_tests::bootable::Tree;
use baserock_tests::cargo::cargo;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{run, shell};
use tempfile::TempDir;

/// Makes the packages for x86-64 of the programs as they are built for tests.
fn make() -> TempDir {
    let place = TempDir::new_in(inputs::folder()).unwrap();
    let mut package = cargo();
    package.args(["xtask", "package", "--debug", "--architecture", "x86_64", "--output"]).arg(place.path());
    run(&mut package).ok();
    place
}

fn packages() -> &'static Path {
    static PACKAGES: OnceLock<TempDir> = OnceLock::new();
    PACKAGES.get_or_init(make).path()
}

/// The names of files in a folder, and what is in them.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn the_same_programs_make_the_same_packages() {
    let (first, second) = (content(packages()), content(make().path()));
    let version = env!("CARGO_PKG_VERSION");
    let names = [
        "SHA256SUMS".to_owned(),
        format!("baserock-{version}-x86_64.tar.gz"),
        format!("baserock-deploy_{version}-1_amd64.deb"),
        format!("baserock_{version}-1_amd64.deb"),
    ];
    assert_eq!(first.keys().cloned().collect::<Vec<_>>(), names);
    for (name, bytes) in first {
        assert!(second[&name] == bytes, "{name} differs");
    }
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(packages())).ok();
}

#[test]
fn lintian_finds_no_error() {
    let lint = "cd \"$0\" && lintian --allow-root --fail-on error *.deb";
    let done = run(Command::new("sh").args(["-ec", lint]).arg(packages()));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
}

/// Runs a script at the top of a tree, which has the devices and processes of this machine.
fn inside(tree: &Path, script: &str) -> String {
    let outer = r#"
        mount --bind /dev "$0/dev"; mount -t proc proc "$0/proc"
        exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root sh -ec "$1"
    "#;
    shell("unshare", &["--mount", "sh", "-ec", outer, tree.to_str().unwrap(), script])
}

#[test]
fn a_fresh_debian_installs_and_uses_them() {
    let tree = Tree::plain(Debian::Release);
    let root = tree.path().join("root");
    let small = inputs::busybox().unwrap();
    shell("cp", &["-a", small.to_str().unwrap(), root.join("small").to_str().unwrap()]);
    shell("sh", &["-ec", "cp \"$0\"/*.deb \"$1\"", packages().to_str().unwrap(), root.to_str().unwrap()]);
    inside(tree.path(), "cd /root && apt-get install --yes --no-install-recommends ./*.deb");

    let listed = inside(
        tree.path(),
        "dpkg --verify baserock; dpkg --verify baserock-deploy; dpkg -L baserock baserock-deploy",
    );
    let programs: Vec<_> = listed.lines().filter_map(|line| line.strip_prefix("/usr/bin/")).collect();
    assert!(programs.len() >= 20, "{listed}");
    for program in programs {
        let page = inside(tree.path(), &format!("zcat /usr/share/man/man[18]/{program}.[18].gz"))
            .replace("\\-", "-");
        let help = inside(tree.path(), &format!("{program} --help"));
        if let Some(usage) = help.lines().find_map(|line| line.strip_prefix(&format!("usage: {program} "))) {
            let arguments = usage.split(" (").next().unwrap();
            assert!(
                page.contains(&format!("\\fB{program}\\fR {arguments}\n")),
                "{program} {arguments}: {page}"
            );
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let agent = "/usr/lib/baserock/extensions/agents/x86_64/baserock-agent --version";
    assert_eq!(inside(tree.path(), agent), format!("baserock-agent {version}\n"));
    for file in [
        "lib/systemd/system/multi-user.target.wants/baserock-finish.service",
        "lib/baserock/extensions/agents/aarch64/baserock-agent",
        "lib/baserock/init.d/baserock-trial",
        "share/bash-completion/completions/morph",
        "share/zsh/vendor-completions/_morph",
        "share/fish/vendor_completions.d/morph.fish",
        "share/doc/baserock-deploy/copyright",
    ] {
        assert!(tree.path().join("usr").join(file).is_file(), "{file}");
    }

    let write = "cd /root && baserock-tools.configure small && DISK_SIZE=512M BOOTLOADER_INSTALL=none rawdisk.write small disk.img";
    inside(tree.path(), write);
    let list = "cd /root && system-version-manager --volume disk.img list";
    assert_eq!(inside(tree.path(), list), "factory (default)\n");

    inside(tree.path(), "apt-get purge --yes baserock baserock-deploy");
    let left =
        inside(tree.path(), "find /usr /etc /var -xdev -name '*baserock*' -not -path '/usr/share/doc/*'");
    assert_eq!(left, "");
}
