//! Root filesystems to deploy, each made once and kept in the build's own folder: Debian, by mmdebstrap from the mirror that this
//! machine's apt uses, and a small one around busybox.
//!
//! All let root in by ssh with [`ssh_key`], have the address 10.0.2.15 (QEMU's user network) and no password for root.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};
use system::process::Program;

/// The two builds of Debian: an upgrade goes from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debian {
    /// The release alone.
    Release,
    /// With updates and security; account numbers differ, and so does some of the vendor's configuration.
    Updated,
}

/// What is installed beside the important packages.
const PACKAGES: &str = "linux-image-amd64,systemd-sysv,openssh-server,rsync,btrfs-progs,initramfs-tools,dbus";
/// Installed first in the second build, so that the accounts after theirs get other numbers.
const EARLIER_PACKAGES: &str = "tcpdump uuid-runtime";
/// The vendor's own configuration, for merges that are to be looked at: the second build changes `limit` and `colour`, adds `added`,
/// and lacks the file `vendor/dropped.conf`.
const VENDOR: &str =
    "# vendor settings\n\nname = machine\n\n\nlimit = 10\n\n\n\ncolour = green\n\n\n\nlast = yes\n";

/// The tree of a Debian, made on the first call (about a minute). Owned by root, not to be changed.
pub fn debian(build: Debian) -> Result<PathBuf> {
    let key = fs::read_to_string(ssh_key()?.with_extension("pub")).or_cannot("read", "the ssh key")?;
    let name = match build {
        Debian::Release => "debian-release",
        Debian::Updated => "debian-updated",
    };
    let mirror = Mirror::of_this_machine()?;
    let recipe = recipe(build, &mirror, &key);
    cached(name, &recipe.join("\n"), |place| {
        let sources = mirror.sources(build).join("\n");
        Program::new("mmdebstrap")
            .package("mmdebstrap")
            .args(["--mode=root", "--format=directory"])
            .args(&recipe)
            .arg(&mirror.suite)
            .arg(place)
            .arg("-")
            .input(sources)
            .run()
            .map(drop)
    })
}

/// The second Debian for ARM64, with GRUB, made without running a program of it: the packages are only unpacked, and what their scripts would do
/// is taken from the tree for x86-64. It has no initramfs.
pub fn debian_arm() -> Result<PathBuf> {
    let base = debian(Debian::Updated)?;
    let mirror = Mirror::of_this_machine()?;
    let installed =
        Program::new("chroot").arg(&base).args(["dpkg-query", "-W", "-f", "${Package}\\n"]).run()?;
    let text = String::from_utf8_lossy(&installed.stdout);
    let names = text.lines().filter(|name| !name.contains("amd64")).chain(ARM_PACKAGES);
    let include = format!("--include={}", names.collect::<Vec<_>>().join(","));
    let recipe = [&mirror.sources(Debian::Updated).join("\n"), &include, ARM].join("\n");
    cached("debian-arm64", &recipe, |place| {
        let parts = place.with_extension("parts");
        Program::new("rm").arg("-rf").arg(&parts).run()?;
        Program::new("mmdebstrap")
            .package("mmdebstrap")
            .args(["--mode=root", "--format=directory", "--variant=extract", "--architectures=arm64"])
            .arg(&include)
            .arg(&mirror.suite)
            .arg(&parts)
            .arg("-")
            .input(mirror.sources(Debian::Updated).join("\n"))
            .run()?;
        let outcome = Program::new("sh").args(["-ec", ARM]).arg(&base).args([&parts, place]).run();
        Program::new("rm").arg("-rf").arg(&parts).run()?;
        outcome.map(drop)
    })
}

/// What it has that the other does not.
const ARM_PACKAGES: [&str; 3] = ["linux-image-arm64", "busybox-static", "grub-efi-arm64-bin"];
/// Makes it of the tree for x86-64 and the unpacked packages.
const ARM: &str = r#"
    cp -a "$0" "$2"
    cd "$2"
    rm -r vmlinuz* initrd.img* boot/* usr/lib/modules usr/lib/x86_64-linux-gnu usr/lib64 etc/ld.so.cache
    tar -C "$1" --exclude=./etc --exclude=./var --exclude=./root -cf - . | tar -xf - --keep-directory-symlink
    depmod -b . "$(ls usr/lib/modules)"
"#;

/// A tree of a few files around a static busybox, with a kernel that boots nothing: for tests that only look at disks.
pub fn busybox() -> Result<PathBuf> {
    cached(
        "busybox",
        BUSYBOX_FILES.map(|(path, _, text)| format!("{path}{text}")).concat().as_str(),
        |place| {
            for dir in [
                "bin",
                "sbin",
                "boot",
                "etc",
                "dev",
                "proc",
                "sys",
                "tmp",
                "run",
                "root",
                "home",
                "var/lib/thing",
            ] {
                fs::create_dir_all(place.join(dir)).or_cannot("create", place.join(dir))?;
            }
            let busybox = system::process::find("busybox").ok_or_else(|| {
                Error::refused("busybox is not installed; install the Debian package busybox-static")
            })?;
            fs::copy(&busybox, place.join("bin/busybox")).or_cannot("copy", &busybox)?;
            for name in ["bin/sh", "sbin/init", "bin/mount"] {
                symlink("/bin/busybox", place.join(name)).or_cannot("create", place.join(name))?;
            }
            for (path, mode, text) in BUSYBOX_FILES {
                let path = place.join(path);
                fs::write(&path, text).or_cannot("write", &path)?;
                fs::set_permissions(&path, Permissions::from_mode(mode))
                    .or_cannot("change mode of", &path)?;
            }
            Ok(())
        },
    )
}

const BUSYBOX_FILES: [(&str, u32, &str); 8] = [
    ("boot/vmlinuz", 0o644, "a kernel, for those who only look at its name\n"),
    ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nthing:x:100:100::/var/lib/thing:/bin/false\n"),
    ("etc/group", 0o644, "root:x:0:\nthing:x:100:\n"),
    ("etc/shadow", 0o640, "root::19000:0:99999:7:::\nthing:!:19000::::::\n"),
    ("etc/hostname", 0o644, "baserock\n"),
    ("etc/os-release", 0o644, "ID=busybox\nVERSION_ID=1\n"),
    ("var/lib/thing/state", 0o600, "as shipped\n"),
    ("root/.profile", 0o644, "umask 022\n"),
];

/// The private key with which root logs in to every machine made from these trees; the public one is beside it.
pub fn ssh_key() -> Result<PathBuf> {
    let place = cached("ssh", "ed25519", |place| {
        fs::create_dir(place).or_cannot("create", place)?;
        Program::new("ssh-keygen")
            .package("openssh-client")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "baserock tests", "-f"])
            .arg(place.join("id"))
            .run()
            .map(drop)
    })?;
    Ok(place.join("id"))
}

/// The folder of everything that is made once.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("inputs")
}

/// The path of `name` in the folder, made by `make` where it is not there or was made by another recipe. Processes that want the same
/// wait for the first; what is half made is never seen.
pub fn cached(name: &str, recipe: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = folder();
    fs::create_dir_all(&folder).or_cannot("create", &folder)?;
    let (place, stamp) = (folder.join(name), folder.join(format!("{name}.recipe")));
    let lock = folder.join(format!("{name}.lock"));
    let file =
        File::options().create(true).truncate(false).write(true).open(&lock).or_cannot("open", &lock)?;
    let _lock = Lock::take(file, &lock, Patience::Wait)?;
    if place.exists() && fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == recipe) {
        return Ok(place);
    }
    let half = folder.join(format!("{name}.half"));
    for old in [&half, &place] {
        Program::new("rm").arg("-rf").arg(old).run()?;
    }
    make(&half)?;
    fs::write(&stamp, recipe).or_cannot("write", &stamp)?;
    fs::rename(&half, &place).or_cannot("create", &place)?;
    Ok(place)
}

/// Where this machine's apt gets Debian from.
struct Mirror {
    /// The name of the release: the suite without a suffix.
    suite: String,
    /// Address, suite, component: a line each.
    lines: Vec<(String, String, String)>,
}

impl Mirror {
    fn of_this_machine() -> Result<Self> {
        let output = Program::new("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"])
            .args(["Created-By: Packages", "Origin: Debian"])
            .run()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<_> = text.lines().filter_map(line).collect();
        lines.sort();
        lines.dedup();
        let base = lines.iter().map(|(_, suite, _)| suite).min_by_key(|suite| suite.len());
        let suite = base.cloned().ok_or_else(|| {
            Error::refused("this machine's apt knows no Debian mirror; configure one and run apt-get update")
        })?;
        Ok(Mirror { suite, lines })
    }

    /// The lines of sources.list for a build.
    fn sources(&self, build: Debian) -> Vec<String> {
        let wanted = |suite: &str| build == Debian::Updated || suite == self.suite;
        let lines = self.lines.iter().filter(|(_, suite, _)| wanted(suite));
        lines.map(|(uri, suite, component)| format!("deb {uri} {suite} {component}")).collect()
    }
}

fn line(text: &str) -> Option<(String, String, String)> {
    let mut words = text.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?, words.next()?))
}

/// The options of mmdebstrap for a build: the same options make the same tree.
fn recipe(build: Debian, mirror: &Mirror, key: &str) -> Vec<String> {
    let mut options = vec!["--variant=important".to_owned(), format!("--include={PACKAGES}")];
    if build == Debian::Updated {
        // The outer apt, since the tree has none of its own yet.
        options.push(format!(
            "--essential-hook=APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" \
             apt-get --yes -oDPkg::Chroot-Directory=\"$1\" install {EARLIER_PACKAGES}"
        ));
    }
    let network = "[Match]\nType=ether\n\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n";
    let vendor = match build {
        Debian::Release => VENDOR.to_owned(),
        Debian::Updated => {
            VENDOR.replace("limit = 10", "limit = 20").replace("green", "blue") + "added = yes\n"
        }
    };
    let mut files = vec![
        ("root/.ssh/authorized_keys", key.to_owned(), "0600"),
        ("etc/systemd/network/10-test.network", network.to_owned(), "0644"),
        ("etc/vendor/vendor.conf", vendor, "0644"),
        ("etc/build", format!("{build:?} of {}\n", mirror.suite), "0644"),
    ];
    if build == Debian::Release {
        files.push(("etc/vendor/dropped.conf", "dropped = later\n".to_owned(), "0644"));
    }
    options.extend(files.into_iter().map(|(path, text, mode)| {
        let text = text.replace('\n', "\\n");
        format!("--customize-hook=printf '{text}' | install -D -m {mode} /dev/stdin \"$1/{path}\"")
    }));
    options.extend([
        "--customize-hook=chmod 0700 \"$1/root/.ssh\"".to_owned(),
        "--customize-hook=chroot \"$1\" passwd --delete root".to_owned(),
        "--customize-hook=chroot \"$1\" systemctl enable systemd-networkd".to_owned(),
    ]);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_thing_is_made_once_and_again_when_the_recipe_changes() {
        let name = format!("cache-test-{}", std::process::id());
        let make = |place: &Path| fs::write(place, "x").or_cannot("write", place);
        let place = cached(&name, "one", make).unwrap();
        cached(&name, "one", |_| panic!("made twice")).unwrap();
        assert!(cached(&name, "two", |_| Err(Error::refused("no"))).is_err());
        assert!(!place.exists(), "what another recipe made is not used");
        for suffix in ["", ".recipe", ".lock"] {
            let _gone = fs::remove_file(folder().join(format!("{name}{suffix}")));
        }
    }

    #[test]
    fn the_small_tree_has_what_a_version_needs() {
        let tree = busybox().unwrap();
        assert!(tree.join("boot/vmlinuz").is_file() && tree.join("sbin/init").is_symlink());
    }
}
