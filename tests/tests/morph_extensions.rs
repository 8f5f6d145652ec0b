//! The extensions that are installed, as `morph` runs them.
//!
//! Pace: seconds

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::programs::Done;

/// A repository whose system is configured by these extensions, and written as an archive.
fn configured(extensions: &[&str]) -> Definitions {
    let definitions = Definitions::with_extensions();
    let names: Vec<String> = extensions.iter().map(|name| format!("extensions/{name}")).collect();
    definitions.write(
        "systems/base.morph",
        &format!("name: base\nkind: system\nconfiguration-extensions: [{}]\n", names.join(", ")),
    );
    definitions.cluster(&["self: {type: extensions/tar, location: out.tar.gz}"]);
    definitions
}

/// Deploys with these parameters, and unpacks what was written.
fn deployed(definitions: &Definitions, parameters: &[&str]) -> Done {
    let parameters: Vec<String> = parameters.iter().map(|text| format!("self.{text}")).collect();
    let arguments: Vec<&str> =
        ["deploy", "clusters/c.morph"].into_iter().chain(parameters.iter().map(String::as_str)).collect();
    let ended = definitions.morph(&arguments).succeeded();
    let out = definitions.path("out");
    if out.exists() {
        fs::remove_dir_all(&out).unwrap();
    }
    fs::create_dir(&out).unwrap();
    let archive = definitions.path("out.tar.gz");
    assert!(Command::new("tar").arg("-C").arg(&out).arg("-xpf").arg(archive).status().unwrap().success());
    ended
}

fn refused(definitions: &Definitions, parameter: &str, words: &[&str]) {
    definitions.morph(&["deploy", "clusters/c.morph", &format!("self.{parameter}")]).failed(words);
    assert!(!definitions.path("out.tar.gz").exists(), "{parameter}");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The kinds of extensions that look at a location, and have the help of what writes to it.
const LOOKING: [&str; 2] = ["check", "status"];

/// The file with the help of an extension.
fn help_file(name: &str) -> String {
    let (stem, kind) = name.rsplit_once('.').unwrap();
    format!("{stem}.{}.help", if LOOKING.contains(&kind) { "write" } else { kind })
}

#[test]
fn every_installed_extension_brings_its_help() {
    let definitions = Definitions::with_extensions();
    let list = definitions.morph(&["help-extensions"]).succeeded().stdout;
    let mut explained = 0;
    for line in list.lines().filter(|line| !LOOKING.iter().any(|kind| line.starts_with(kind))) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let help =
            definitions.morph(&["help-extensions", &format!("{}.{}", words[1], words[0])]).succeeded().stdout;
        assert!(help.starts_with(&format!("{}.{}\n\n", words[1], words[0])), "{help}");
        explained += 1;
    }
    assert_eq!(explained, 13, "{list}");
}

#[test]
fn every_extension_tells_its_help_and_its_version() {
    let definitions = Definitions::with_extensions();
    let mut asked = 0;
    for entry in fs::read_dir(definitions.installed()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|kind| kind == "help") {
            continue;
        }
        let ask = |question| Done::from(Command::new(&path).arg(question).output().unwrap());
        assert_eq!(ask("--version").succeeded().stdout, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let help = ask("--help").succeeded();
        assert!(help.stdout.starts_with(&format!("usage: {name} ")), "{}", help.stdout);
        let file = definitions.installed().join(help_file(&name));
        let text = fs::read_to_string(file).unwrap();
        assert_eq!(by_a_link(&path, &name), help.stdout);
        for line in text.lines().filter(|line| line.starts_with("  ")) {
            assert!(help.stdout.contains(line.trim()), "{name}: {line}");
        }
        asked += 1;
    }
    assert!(asked >= 16, "{asked}");
}

/// What an installed extension answers where a link in another folder, which is on the path, starts it.
fn by_a_link(extension: &Path, name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let lib = folder.path().join("lib");
    fs::create_dir(&lib).unwrap();
    let beside = extension.with_file_name(help_file(name));
    for from in [extension, &beside] {
        fs::copy(from, lib.join(from.file_name().unwrap())).unwrap();
    }
    symlink(lib.join(name), folder.path().join(name)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let asked = Command::new("sh").args(["-c", &format!("{name} --help")]).env("PATH", path).output();
    Done::from(asked.unwrap()).ok()
}

#[test]
fn the_host_name_is_set() {
    let definitions = configured(&["set-hostname"]);
    deployed(&definitions, &["HOSTNAME=devel-1"]);
    assert_eq!(definitions.read("out/etc/hostname"), "devel-1\n");
    assert_eq!(mode(&definitions.path("out/etc/hostname")), 0o644);
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    refused(&definitions, "HOSTNAME=a b", &["HOSTNAME is \"a b\""]);
    let named = deployed(&definitions, &["HOSTNAME=installer-x86_64"]);
    assert_eq!(definitions.read("out/etc/hostname"), "installer-x86_64\n");
    assert!(named.stderr.contains("names in the DNS cannot have _"), "{}", named.stderr);
    deployed(&definitions, &[]);
    assert!(!definitions.path("out/etc/hostname").exists());
}

#[test]
fn a_link_in_the_tree_does_not_lead_out_of_it() {
    let definitions = configured(&["set-hostname"]);
    fs::remove_dir_all(definitions.path("artifacts/base/etc")).unwrap();
    symlink("/usr/etc", definitions.path("artifacts/base/etc")).unwrap();
    definitions.write("artifacts/base/usr/etc/os-release", "ID=base\n");
    deployed(&definitions, &["HOSTNAME=inside"]);
    assert_eq!(definitions.read("out/usr/etc/hostname"), "inside\n");
    assert!(!Path::new("/usr/etc/hostname").exists());
}

#[test]
fn a_folder_is_laid_over_etc() {
    let definitions = configured(&["add-config-files"]);
    definitions.write("files/os-release", "ID=mine\n");
    definitions.write("files/app/secret.conf", "x\n");
    fs::set_permissions(definitions.path("files/app/secret.conf"), fs::Permissions::from_mode(0o600))
        .unwrap();
    std::os::unix::fs::chown(definitions.path("files/os-release"), Some(1000), Some(1000)).unwrap();
    symlink("app/secret.conf", definitions.path("files/link")).unwrap();
    deployed(&definitions, &["SRC_CONFIG_DIR=files"]);
    assert_eq!(definitions.read("out/etc/os-release"), "ID=mine\n");
    assert_eq!(fs::metadata(definitions.path("out/etc/os-release")).unwrap().uid(), 0);
    assert_eq!(mode(&definitions.path("out/etc/app/secret.conf")), 0o600);
    assert_eq!(fs::read_link(definitions.path("out/etc/link")).unwrap(), Path::new("app/secret.conf"));
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    refused(&definitions, "SRC_CONFIG_DIR=none", &["cannot list none: No such file or directory"]);
}

#[test]
fn lines_are_added_to_fstab() {
    let definitions = configured(&["fstab"]);
    definitions.write("artifacts/base/etc/fstab", "proc /proc proc defaults 0 0");
    deployed(&definitions, &["FSTAB_B=LABEL=b /b ext4 defaults 0 2", "FSTAB_A=LABEL=a /a ext4 defaults 0 2"]);
    assert_eq!(
        definitions.read("out/etc/fstab"),
        "proc /proc proc defaults 0 0\nLABEL=a /a ext4 defaults 0 2\nLABEL=b /b ext4 defaults 0 2\n"
    );
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    refused(&definitions, "FSTAB_X=only two", &["FSTAB_X is \"only two\"; use a line of fstab"]);
    refused(&definitions, "FSTAB_X=none /proc proc defaults", &["mounts something else at /proc already"]);
}

#[test]
fn keys_may_log_in_as_root() {
    let definitions = configured(&["sshkeys"]);
    definitions.write("artifacts/base/root/.profile", "");
    for name in ["one", "two"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(definitions.path(name))
            .status();
        assert!(made.unwrap().success());
    }
    deployed(&definitions, &["SSHKEYS=one.pub two.pub"]);
    let keys = definitions.read("one.pub") + &definitions.read("two.pub");
    assert_eq!(definitions.read("out/root/.ssh/authorized_keys"), keys);
    assert_eq!(mode(&definitions.path("out/root/.ssh")), 0o700);
    assert_eq!(mode(&definitions.path("out/root/.ssh/authorized_keys")), 0o600);
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    refused(&definitions, "SSHKEYS=one", &["one: this is a private key"]);
}

#[test]
fn files_are_installed_as_a_manifest_says() {
    let definitions = configured(&["install-files"]);
    definitions.write("files/etc/app/my file", "content\n");
    definitions.write("files/etc/os-release", "ID=new\n");
    fs::create_dir_all(definitions.path("files/usr/bin")).unwrap();
    symlink("../../etc/app", definitions.path("files/usr/bin/app")).unwrap();
    fs::create_dir_all(definitions.path("artifacts/base/usr/bin")).unwrap();
    let manifest = "0040750 0 7 /etc/app\n0104755 3 7 /etc/app/my file\noverwrite 0100640 0 0 /etc/os-release\n0120000 0 0 /usr/bin/app\n";
    definitions.write("files/manifest", manifest);
    definitions.write("more/etc/app/name", "{{ NAME }}.example\n");
    definitions.write("more/manifest", "template 0100644 0 0 /etc/app/name\n");
    deployed(&definitions, &["INSTALL_FILES=files/manifest", "INSTALL_FILES_MORE=more/manifest", "NAME=box"]);
    assert_eq!(definitions.read("out/etc/app/name"), "box.example\n");
    let file = definitions.path("out/etc/app/my file");
    let status = fs::metadata(&file).unwrap();
    assert_eq!((status.uid(), status.gid(), mode(&file)), (3, 7, 0o4755));
    assert_eq!(
        (mode(&definitions.path("out/etc/app")), definitions.read("out/etc/os-release").as_str()),
        (0o750, "ID=new\n")
    );
    assert_eq!(fs::read_link(definitions.path("out/usr/bin/app")).unwrap(), Path::new("../../etc/app"));
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    for (text, words) in [
        ("0100644 0 0 /etc/os-release", "/etc/os-release is there already"),
        ("0100644 0 0 /etc/none", "cannot read files/etc/none: No such file"),
        ("0100644 0 0 /nowhere/x", "nowhere: No such file"),
        ("junk", "files/manifest: line 1: write [template] [overwrite] MODE UID GID PATH"),
    ] {
        definitions.write("files/manifest", text);
        refused(&definitions, "INSTALL_FILES=files/manifest", &[words]);
    }
}

#[test]
fn interfaces_are_configured() {
    let definitions = configured(&["simple-network"]);
    deployed(&definitions, &["NETWORK_CONFIG=lo:loopback;eth0:static,address=10.0.0.2/24,gateway=10.0.0.1"]);
    let interfaces = definitions.read("out/etc/network/interfaces");
    assert!(interfaces.contains("iface eth0 inet static\n    address 10.0.0.2/24\n"), "{interfaces}");
    let unit = definitions.read("out/etc/systemd/network/05-eth0.network");
    assert!(unit.contains("[Match]\nName=eth0\n") && unit.contains("Address=10.0.0.2/24\n"), "{unit}");
    let bare = deployed(&definitions, &[]);
    assert!(definitions.read("out/etc/systemd/network/09-wired.network").contains("[Match]\nType=ether\n"));
    assert!(bare.stderr.contains("nothing in it reads what was written"), "{}", bare.stderr);
    fs::remove_file(definitions.path("out.tar.gz")).unwrap();
    refused(&definitions, "NETWORK_CONFIG=eth0", &["NETWORK_CONFIG: \"eth0\": write NAME:METHOD"]);
}

#[test]
fn what_is_no_file_in_the_place_of_one_is_refused_at_once() {
    let definitions = configured(&["sshkeys", "install-files"]);
    nix::unistd::mkfifo(&definitions.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", definitions.path("endless")).unwrap();
    for name in ["SSHKEYS", "INSTALL_FILES"] {
        refused(&definitions, &format!("{name}=fifo"), &["fifo: is a FIFO, not a file"]);
        refused(&definitions, &format!("{name}=endless"), &["endless: is a character device, not a file"]);
    }
}

/// Units as Debian has them, of networkd and resolved.
const NETWORKD: &str = "[Install]\nWantedBy=multi-user.target\nAlso=systemd-networkd.socket\nAlias=dbus-org.freedesktop.network1.service\nAlso=gone.service\n";
const SOCKET: &str = "[Install]\nWantedBy=sockets.target\n";
const RESOLVED: &str = "[Install]\nWantedBy=sysinit.target\nAlias=dbus-org.freedesktop.resolve1.service\n";

#[test]
fn what_reads_the_configuration_of_interfaces_is_enabled() {
    let definitions = configured(&["simple-network"]);
    let unit = |name: &str, text: &str| {
        definitions.write(&format!("artifacts/base/usr/lib/systemd/system/{name}"), text);
    };
    unit("systemd-networkd.service", NETWORKD);
    unit("systemd-networkd.socket", SOCKET);
    definitions.write("artifacts/base/etc/network/interfaces", "auto br0\niface br0 inet dhcp\n");
    let link = |name: &str| fs::read_link(definitions.path("out/etc").join(name)).unwrap();
    let place = |name: &str| Path::new("/usr/lib/systemd/system").join(name);
    let done = deployed(&definitions, &["NETWORK_CONFIG=eth0:static,address=10.0.0.2/24,dns=10.0.0.53"]);
    for (name, target) in [
        ("systemd/system/multi-user.target.wants/systemd-networkd.service", "systemd-networkd.service"),
        ("systemd/system/dbus-org.freedesktop.network1.service", "systemd-networkd.service"),
        ("systemd/system/sockets.target.wants/systemd-networkd.socket", "systemd-networkd.socket"),
    ] {
        assert_eq!(link(name), place(target));
    }
    assert_eq!(definitions.read("out/etc/network/interfaces"), "auto br0\niface br0 inet dhcp\n");
    assert_eq!(definitions.read("out/etc/resolv.conf"), "nameserver 10.0.0.53\n");
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);

    let done = deployed(&definitions, &[]);
    assert!(done.stderr.contains("the tree has no systemd-resolved"), "{}", done.stderr);

    unit("systemd-resolved.service", RESOLVED);
    definitions.write("artifacts/base/usr/sbin/ifup", "");
    let done = deployed(&definitions, &[]);
    let resolved = "systemd/system/sysinit.target.wants/systemd-resolved.service";
    assert_eq!(link(resolved), place("systemd-resolved.service"));
    assert_eq!(link("resolv.conf"), Path::new("../run/systemd/resolve/stub-resolv.conf"));
    assert!(
        done.stderr.contains("/etc/network/interfaces of the tree stays, and configures br0"),
        "{}",
        done.stderr
    );

    fs::create_dir_all(definitions.path("artifacts/base/etc/systemd/system")).unwrap();
    symlink("/dev/null", definitions.path("artifacts/base/etc/systemd/system/systemd-networkd.service"))
        .unwrap();
    let done = deployed(&definitions, &[]);
    assert!(done.stderr.contains("systemd-networkd.service is masked in the tree"), "{}", done.stderr);
    assert!(!definitions.path("out/etc/systemd/system/multi-user.target.wants").exists());
}

#[test]
fn interfaces_of_the_tree_are_not_replaced_in_silence() {
    let definitions = configured(&["simple-network"]);
    definitions.write("artifacts/base/sbin/ifup", "");
    fs::create_dir_all(definitions.path("artifacts/base/lib/ifupdown")).unwrap();
    deployed(&definitions, &[]);
    let wired = "auto lo\niface lo inet loopback\n\nauto /e*=wired\niface wired inet dhcp\n";
    assert_eq!(definitions.read("out/etc/network/interfaces"), wired);
    let own = "source /etc/network/interfaces.d/*\nauto br0\niface br0 inet dhcp\n";
    definitions.write("artifacts/base/etc/network/interfaces", own);
    let done = deployed(&definitions, &[]);
    assert_eq!(definitions.read("out/etc/network/interfaces"), own);
    assert!(
        done.stderr.contains("/etc/network/interfaces of the tree stays: it configures br0"),
        "{}",
        done.stderr
    );
    let done = deployed(&definitions, &["NETWORK_CONFIG=eth0:dhcp"]);
    let replaced = "auto eth0\niface eth0 inet dhcp\n\nsource /etc/network/interfaces.d/*\n";
    assert_eq!(definitions.read("out/etc/network/interfaces"), replaced);
    assert!(done.stderr.contains("is replaced, which configured br0"), "{}", done.stderr);
}

#[test]
fn an_archive_has_everything_and_is_replaced_whole() {
    let definitions = configured(&[]);
    let file = definitions.path("artifacts/base/etc/os-release");
    std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
    let special = definitions.path("artifacts/base/null");
    assert!(Command::new("mknod").arg(&special).args(["c", "1", "3"]).status().unwrap().success());
    assert!(
        Command::new("setfattr").args(["-n", "user.a", "-v", "b"]).arg(&file).status().unwrap().success()
    );
    // A link in the place of the temporary file leads nowhere.
    definitions.write("victim", "as it was");
    symlink(definitions.path("victim"), definitions.path(".out.tar.gz.new")).unwrap();
    deployed(&definitions, &[]);
    assert_eq!(definitions.read("victim"), "as it was");
    let listed =
        Command::new("tar").args(["--xattrs", "-tvvf"]).arg(definitions.path("out.tar.gz")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for part in ["12/34", "1,3", "user.a"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let before = fs::read(definitions.path("out.tar.gz")).unwrap();
    let hidden: Vec<_> = fs::read_dir(definitions.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!hidden.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{hidden:?}");
    assert_eq!(&before[..2], [0x1f, 0x8b], "compressed as the name says");
}

#[test]
fn an_archive_that_cannot_be_is_refused_before_anything_is_done() {
    let definitions = configured(&[]);
    definitions.morph(&["upgrade", "clusters/c.morph"]).failed(&["an archive cannot be upgraded"]);
    for (location, words) in [
        ("out.img", "an archive's name ends with one of"),
        ("none/out.tar", "there is no folder none; make it first"),
    ] {
        let ended = definitions.morph(&["deploy", "clusters/c.morph", &format!("self.location={location}")]);
        assert!(!ended.stdout.contains("copying the artifact"), "{}", ended.stdout);
        ended.failed(&["tar.check failed", words]);
    }
}
