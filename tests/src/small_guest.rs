//! A guest that boots in seconds: Debian's kernel, and an initramfs that mounts the root of its command line, says on the serial line
//! what it finds, and powers off, or starts the init of the root. Kernel, modules, initramfs and root all tell their version.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::initramfs;
use crate::inputs::{self, Debian};
use crate::machine::{Firmware, Machine};
use crate::programs::{command, run, shell};

/// A tree that boots the small guest.
pub struct Tree {
    place: TempDir,
    /// The release of its kernel, as `uname -r` says it.
    pub kernel: String,
}

/// What a guest said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The version in whose `run` the root is.
    pub label: String,
    /// Release of the kernel, the version of the initramfs, that of the root.
    pub parts: [String; 3],
}

/// Finds the root by the command line, and looks whether it is whole: as built, but for what deployments change.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
# As the kernel's own messages: they are out before the power goes.
say() { echo "<0>GUEST $*" >/dev/kmsg; }
fail() { say "failed: $*"; sleep 1; poweroff -f; }
for module in $(cat /modules/order); do insmod /modules/$module || fail "insmod $module"; done
for word in $(cat /proc/cmdline); do
    case $word in root=UUID=*) uuid=${word#root=} ;; rootflags=*) flags=${word#rootflags=} ;; esac
done
for try in 1 2 3 4 5 6 7 8 9; do device=$(findfs $uuid) && break; sleep 1; done
mount -t btrfs -o $flags $device /root || fail "mount $flags"
mount -t btrfs -o subvolid=5 $device /top || fail "mount the volume"
label=${flags#subvol=systems/}; label=${label%/run}
version=/top/systems/$label
[ -e $version/.incomplete ] && fail "$label is not complete"
for part in bin baserock usr; do diff -r $version/orig/$part /root/$part || fail "$part is not whole"; done
booted=$version
if [ ! -e /top/extlinux ]; then
    mount -o ro -t ext4 /dev/vda1 /boot || mount -o ro -t ext4 /dev/vda2 /boot || fail "mount /boot"
    booted=/boot/systems/$label
fi
cmp $booted/kernel $version/orig/boot/vmlinuz || fail "another kernel"
cmp $booted/initramfs $version/orig/boot/initramfs || fail "another initramfs"
cmp /top/state/var/lib/thing/state /root/shipped-state || fail "the shared state"
[ -s /root/etc/passwd ] && [ -s /root/etc/fstab ] || fail "/etc is not whole"
say $label $(uname -r) $(cat /version) $(cat /root/usr/version) end
umount /top
umount /boot 2>/dev/null
[ -e /root/etc/inittab ] && exec switch_root /root /sbin/init
umount /root
poweroff -f
"#;

/// What a root does that has an init: it does as its `/etc` says, and powers off once the version that runs is the default.
const RC: &str = r"#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -a
# What fstab has for it is PARTUUID=, which busybox does not know.
[ -b /dev/vda1 ] && mount -t ext4 /dev/vda1 /boot
[ -e /etc/panics ] && echo c >/proc/sysrq-trigger
true
";
const END: &str = r#"#!/bin/sh
sleep 1
while ps | grep -q '[b]aserock-trial confirm'; do sleep 1; done
until [ "$(system-version-manager get-default)" = "$(system-version-manager get-running)" ]; do sleep 1; done
exec poweroff
"#;

/// What a tree is made around.
struct Parts {
    /// A tree with kernel and modules.
    system: PathBuf,
    /// A static busybox of the same processor.
    busybox: PathBuf,
    /// Folders of `system` that the tree gets too.
    folders: &'static [&'static str],
    console: &'static str,
}

impl Tree {
    /// Makes it around the kernel of a Debian build.
    pub fn new(build: Debian, version: &str) -> Tree {
        let system = inputs::debian(build).expect("a Debian");
        let busybox = inputs::busybox().expect("the small tree").join("bin/busybox");
        Tree::of(&Parts { system, busybox, folders: &[], console: "ttyS0" }, version)
    }

    /// Makes it for ARM64, with GRUB's modules.
    pub fn for_arm(version: &str) -> Tree {
        let system = inputs::debian_arm().expect("a Debian for ARM64");
        let busybox = system.join("bin/busybox");
        Tree::of(&Parts { system, busybox, folders: &["usr/lib/grub"], console: "ttyAMA0" }, version)
    }

    fn of(parts: &Parts, version: &str) -> Tree {
        let place = TempDir::new().expect("a folder");
        let releases = fs::read_dir(parts.system.join("lib/modules")).expect("modules");
        let names = releases.map(|entry| entry.expect("a name").file_name().to_string_lossy().into_owned());
        let kernel = names.max().expect("a kernel");
        let tree = Tree { place, kernel };
        let small = inputs::busybox().expect("the small tree");
        shell("cp", &["-a", text(&small), text(&tree.path())]);
        fs::copy(&parts.busybox, tree.path().join("bin/busybox")).expect("busybox");
        let vmlinuz = parts.system.join(format!("boot/vmlinuz-{}", tree.kernel));
        fs::copy(vmlinuz, tree.path().join("boot/vmlinuz")).expect("the kernel");
        for folder in parts.folders.iter().map(Path::new) {
            fs::create_dir_all(tree.path().join(folder)).expect("a folder");
            let (from, to) = (parts.system.join(folder).join("."), tree.path().join(folder));
            shell("cp", &["-a", text(&from), text(&to)]);
        }
        tree.write("usr/version", version);
        fs::copy(small.join("var/lib/thing/state"), tree.path().join("shipped-state")).expect("a file");
        let arguments = format!("console={} quiet panic=-1", parts.console);
        let meta = format!(
            r#"{{"configuration": {{"INITRAMFS_PATH": "boot/initramfs", "KERNEL_ARGS": "{arguments}"}}}}"#
        );
        tree.write("baserock/deployment.meta", &meta);
        let files = [("init", INIT), ("version", version)];
        initramfs::make(
            &parts.system,
            &tree.kernel,
            &parts.busybox,
            &files,
            &tree.path().join("boot/initramfs"),
        );
        tree
    }

    /// Gives it an init of its own, and what the extension `baserock-tools` installs. Its trials are confirmed if it has `/etc/healthy`;
    /// with `/etc/panics` it panics.
    #[must_use]
    pub fn with_init(self) -> Tree {
        self.write("etc/inittab", "::sysinit:/etc/init.d/rcS\n::respawn:/etc/init.d/end\n");
        let check = "#!/bin/sh\ntest -e /etc/healthy\n";
        for (name, script) in
            [("init.d/rcS", RC), ("init.d/end", END), ("baserock/trial-checks.d/health", check)]
        {
            self.write(&format!("etc/{name}"), script);
            shell("chmod", &["755", text(&self.path().join("etc").join(name))]);
        }
        let tree = text(&self.path()).to_owned();
        shell("chroot", &[&tree, "/bin/busybox", "--install", "-s", "/bin"]);
        run(command("baserock-tools-configure").arg(&tree)).ok();
        // What only debuggers read is most of it.
        shell("sh", &["-ec", &format!("strip {tree}/usr/bin/*")]);
        self
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
}

/// Boots the disk, which the guest changes, until it has said what it finds.
pub fn boot(disk: &Path) -> Result<Said, String> {
    boot_by(Firmware::Bios, disk)
}

/// Boots the disk by this firmware, until the guest has said what it finds.
pub fn boot_by(firmware: Firmware, disk: &Path) -> Result<Said, String> {
    let mut machine = Machine::start_by(firmware, disk, &["-no-reboot"]);
    machine.wait_for_end();
    let serial = machine.serial();
    let said = |line: &str| {
        let words: Vec<&str> = line.split_once("GUEST ")?.1.trim().split(' ').collect();
        match words[..] {
            [label, kernel, initramfs, root, "end"] => {
                Some(Said { label: label.into(), parts: [kernel, initramfs, root].map(str::to_owned) })
            }
            _ => None,
        }
    };
    serial.lines().find_map(said).ok_or_else(|| {
        let start = serial.len().saturating_sub(2000);
        format!("the guest did not come up: {}", serial.get(start..).unwrap_or(&serial))
    })
}

/// Has the menu wait a moment only for a key. `boot` is where it is: the top level of the volume, or a `/boot` of its own.
pub fn hurry(boot: &Path) {
    let menu = boot.join("extlinux/extlinux.conf");
    let text = fs::read_to_string(&menu).expect("the menu");
    assert!(text.contains("\ntimeout 50\n"), "{text}");
    fs::write(&menu, text.replace("\ntimeout 50\n", "\ntimeout 1\n")).expect("the menu");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
