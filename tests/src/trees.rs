//! The trees of two versions. They are small, and differ in every part.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::crash::point::Random;
use crate::inputs;
use crate::programs::shell;
use crate::publisher::Publisher;

/// The trees of two versions.
pub struct Trees {
    place: TempDir,
    publisher: OnceLock<Publisher>,
}

/// Bytes of a kernel and of an initramfs: more than one extent, and little to copy a thousand times.
const KERNEL: usize = 300_000;
const INITRAMFS: usize = 200_000;
/// A vendor's file of three parts.
const VENDOR: &str = "# vendor\n\nname = machine\n\n\n\nlimit = 10\n\n\n\nlast = yes\n";
/// The login shell that sshd takes from the accounts of the machine that it runs on.
const SHELL: &str = "#!/bin/sh\nexec /bin/sh \"$@\"\n";

impl Trees {
    /// Makes them.
    pub fn new() -> Trees {
        let trees = Trees { place: memory(), publisher: OnceLock::new() };
        make(&trees.first(), 1);
        make(&trees.second(), 2);
        trees
    }

    /// The tree that the disk is made with.
    pub fn first(&self) -> PathBuf {
        self.place.path().join("first")
    }

    /// The next version of it.
    pub fn second(&self) -> PathBuf {
        self.place.path().join("second")
    }

    /// Who has published both, the next version under this label.
    pub fn published(&self, label: &str) -> &Publisher {
        self.publisher.get_or_init(|| {
            let publisher = Publisher::new(self.place.path().to_owned());
            publisher.add(&self.first(), "first", &[]).ok();
            publisher.add(&self.second(), label, &[]).ok();
            publisher
        })
    }
}

impl Default for Trees {
    fn default() -> Self {
        Trees::new()
    }
}

/// A folder in memory, gone with the value: disks are made there a thousand times.
pub fn memory() -> TempDir {
    TempDir::new_in("/dev/shm").expect("a folder in memory")
}

fn make(tree: &Path, version: u8) {
    let small = inputs::busybox().expect("the small tree");
    shell("cp", &["-a", small.to_str().expect("a path"), tree.to_str().expect("a path")]);
    let mut random = Random::new(version.into());
    let mut bytes = |count: usize| -> Vec<u8> {
        (0..count).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect()
    };
    let (kernel, initramfs) = (bytes(KERNEL), bytes(INITRAMFS));
    let meta = r#"{"configuration": {"INITRAMFS_PATH": "boot/initramfs", "KERNEL_ARGS": "console=ttyS0"}}"#;
    let vendor = if version == 1 { VENDOR.to_owned() } else { VENDOR.replace("limit = 10", "limit = 20") };
    let own = format!("of version {version}\n");
    let files: [(&str, &[u8]); 9] = [
        ("boot/vmlinuz", &kernel),
        ("boot/initramfs", &initramfs),
        ("baserock/deployment.meta", meta.as_bytes()),
        ("etc/vendor.conf", vendor.as_bytes()),
        ("etc/clash.conf", own.as_bytes()),
        ("etc/os-release", own.as_bytes()),
        ("usr/version", own.as_bytes()),
        ("bin/bash", SHELL.as_bytes()),
        (if version == 1 { "var/lib/first" } else { "var/lib/second" }, own.as_bytes()),
    ];
    for (path, content) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
    }
    fs::set_permissions(tree.join("bin/bash"), fs::Permissions::from_mode(0o755)).expect("its mode");
    // The second has accounts whose numbers are others on the machine, one file less, and more folders, also in the shared state.
    if version == 2 {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnews:x:100:100::/:/bin/false\nthing:x:101:101::/var/lib/thing:/bin/false\n";
        fs::write(tree.join("etc/passwd"), passwd).expect("accounts");
        fs::write(tree.join("etc/group"), "root:x:0:\nnews:x:100:\nthing:x:101:\n").expect("groups");
        fs::write(
            tree.join("etc/shadow"),
            "root::19000:0:99999:7:::\nnews:!:19000::::::\nthing:!:19000::::::\n",
        )
        .expect("passwords");
        fs::remove_file(tree.join("root/.profile")).expect("the file");
        for folder in ["var/lib/other/deep", "srv", "usr/things"] {
            fs::create_dir_all(tree.join(folder)).expect("a folder");
        }
        fs::write(tree.join("var/lib/other/deep/file"), "shipped\n").expect("a file");
        for file in (0..20).map(|number| format!("usr/things/{number}")).chain(["srv/thing".into()]) {
            let file = tree.join(file);
            fs::write(&file, "thing's\n").expect("a file");
            std::os::unix::fs::chown(&file, Some(101), Some(101)).expect("an owner");
        }
    }
}
