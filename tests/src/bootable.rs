//! Images of Debian that boot, with the project's programs installed in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::mount::MsFlags;
use system::btrfs;
use system::copy::Copier;
use system::dir::Dir;
use system::mount::PrivateMount;
use tempfile::TempDir;

use crate::cargo::cargo;
use crate::image::{Image, volume_offset};
use crate::initramfs;
use crate::inputs::{self, Debian};
use crate::machine::Machine;
use crate::programs::{self, Done};
use crate::small_guest;

/// The subvolume of the base image that holds the second tree.
pub const SECOND: &str = "second";

/// What every image is written with: the kernel's messages go where a test reads them.
pub const KERNEL_ARGS: &str = "console=ttyS0";

/// A Debian with the project's programs, and without what these machines do not need: the input with what differs laid over it, for this
/// thread and its children, gone with this value.
pub struct Tree {
    mount: PrivateMount,
    _differences: TempDir,
}

impl Tree {
    /// The tree of this build.
    pub fn new(build: Debian) -> Tree {
        let tree = Tree::plain(build);
        programs::shell(
            "cp",
            &["-a", "--remove-destination", &format!("{}/.", text(installed())), text(tree.path())],
        );
        tree.boot_small(&inputs::busybox().expect("the small tree").join("bin/busybox"));
        tree.leave_out();
        tree
    }

    /// A Debian as it is made, without the project's programs.
    pub fn plain(build: Debian) -> Tree {
        Tree::over(&inputs::debian(build).expect("the input tree"))
    }

    /// A tree with a layer over it.
    fn over(input: &Path) -> Tree {
        // Not a tree of links: each would change the times of files that other tests read.
        let differences = TempDir::new_in(inputs::folder()).expect("a folder beside the inputs");
        let [upper, work] = ["upper", "work"].map(|name| differences.path().join(name));
        for folder in [&upper, &work] {
            fs::create_dir(folder).expect("a folder");
        }
        let options = format!("lowerdir={},upperdir={},workdir={}", text(input), text(&upper), text(&work));
        let mount = PrivateMount::new(Path::new("overlay"), "overlay", MsFlags::empty(), &options);
        Tree { mount: mount.expect("the input with an overlay"), _differences: differences }
    }

    /// The second build for ARM64. The programs and units come from `baserock-tools`, and its initramfs is a small one.
    pub fn for_arm() -> Tree {
        let system = inputs::debian_arm().expect("the input tree");
        let tree = Tree::over(&system);
        let mut tools = programs::command("baserock-tools-configure");
        programs::run(tools.arg(tree.path()).env("BASEROCK_AGENTS", agents())).ok();
        tree.boot_small(&tree.path().join("bin/busybox"));
        tree.leave_out();
        tree
    }

    /// Puts a small initramfs in the place of Debian's. In emulation each boot is a quarter shorter by that.
    fn boot_small(&self, busybox: &Path) {
        let releases = fs::read_dir(self.path().join("usr/lib/modules")).expect("modules");
        let release = releases.map(|entry| entry.expect("a name").file_name()).next().expect("a kernel");
        let release = release.to_str().expect("text");
        let into = self.path().join(format!("boot/initrd.img-{release}"));
        initramfs::make(self.path(), release, busybox, &[("init", INIT)], &into);
    }

    /// Takes away documents, languages, drivers of what these machines do not have, and what only takes time at each boot.
    fn leave_out(&self) {
        programs::shell("sh", &["-ec", include_str!("leave_out.sh"), text(self.path())]);
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }
}

/// What `cargo xtask install` installs.
pub fn installed() -> &'static Path {
    static INSTALLED: OnceLock<TempDir> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&[])).path()
}

/// The folder with the programs for machines with ARM64.
pub fn agents() -> PathBuf {
    static INSTALLED: OnceLock<TempDir> = OnceLock::new();
    let place = INSTALLED.get_or_init(|| install(&["--agent", "aarch64"]));
    place.path().join("usr/lib/baserock/extensions/agents")
}

fn install(more: &[&str]) -> TempDir {
    let place = TempDir::new_in(inputs::folder()).expect("a folder beside the inputs");
    let mut install = cargo();
    install.args(["xtask", "install", "--debug", "--destdir"]).arg(place.path()).args(more);
    programs::run(&mut install).ok();
    place
}

/// Finds the root by the command line, and starts its init.
const INIT: &str = r"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
for word in $(cat /proc/cmdline); do
    case $word in root=UUID=*) uuid=${word#root=} ;; rootflags=*) flags=${word#rootflags=} ;; esac
done
for try in 1 2 3 4 5 6 7 8 9; do device=$(findfs $uuid) && break; sleep 1; done
mount -t btrfs -o $flags $device /root
umount /proc /dev
exec switch_root /root /sbin/init
";

/// Writes a tree to a new image as the extension does, with these variables beside the kernel's arguments.
pub fn write(tree: &Path, image: &Path, variables: &[(&str, &str)]) -> Done {
    let mut write = programs::command("rawdisk-write");
    write.args([tree, image]).env("KERNEL_ARGS", KERNEL_ARGS).envs(variables.iter().copied());
    programs::run(&mut write)
}

/// Writes the first build to a new image, and puts the second beside it in the subvolume [`SECOND`], for tests that deploy it from
/// inside.
pub fn with_second(variables: &[(&str, &str)]) -> Image {
    let image = Image::to_be();
    write(Tree::new(Debian::Release).path(), &image.path(), variables).ok();
    let top = image.mount_at(volume_offset(&image.path()), "subvolid=5");
    put_second(&top.dir());
    if top.path().join("extlinux").exists() {
        small_guest::hurry(top.path());
    }
    image
}

fn put_second(top: &Dir) {
    btrfs::create(top, SECOND).expect("a subvolume");
    let second = top.dir(SECOND).expect("it");
    let tree = Tree::new(Debian::Updated);
    let from = Dir::open(tree.path()).expect("the second tree");
    Copier::new(&second).contents(&from, Path::new("")).expect("a copy");
}

/// The command in a machine that makes the second tree the `orig` of the version `label`.
pub fn put_version(machine: &Machine, label: &str) {
    machine.run(&format!(
        "mount -o subvolid=5 $(findmnt -no SOURCE / | sed 's/\\[.*//') /mnt && mkdir /mnt/systems/{label} && \
         btrfs subvolume snapshot /mnt/{SECOND} /mnt/systems/{label}/orig && umount /mnt"
    ));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
