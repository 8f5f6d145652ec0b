//! Small initramfs: a busybox, the modules without which there is no root, and a script.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::programs::run;

/// The modules without which there is no disk, no root, and no `/boot`.
const MODULES: [&str; 5] = ["crc32c_generic", "virtio_pci", "virtio_blk", "btrfs", "ext4"];

/// Makes one for this release of the kernel, with the modules of a tree, and these files, of which `init` is run.
pub fn make(system: &Path, release: &str, busybox: &Path, files: &[(&str, &str)], into: &Path) {
    let place = TempDir::new().expect("a folder");
    let root = place.path();
    for folder in ["bin", "boot", "modules", "proc", "dev", "root", "top"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox");
    for (name, content) in files {
        fs::write(root.join(name), content).expect("a file");
    }
    let modules = system.join("lib/modules").join(release);
    let mut order = Vec::new();
    for path in wanted(&fs::read_to_string(modules.join("modules.dep")).expect("modules.dep")) {
        let name = path.rsplit('/').next().expect("a name").to_owned();
        fs::copy(modules.join(&path), root.join("modules").join(&name)).expect("a module");
        order.push(name);
    }
    fs::write(root.join("modules/order"), order.join("\n")).expect("a file");
    let pack = format!("chmod 755 init && find . | busybox cpio -o -H newc > {}", into.display());
    run(Command::new("sh").args(["-ec", &pack]).current_dir(root)).ok();
}

/// The modules and all that they depend on, in an order in which they can be loaded, by `modules.dep`.
fn wanted(dependencies: &str) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for name in MODULES {
        let file = format!("/{name}.ko:");
        // What is not there is in the kernel itself.
        let Some(line) = dependencies.lines().find(|line| line.contains(&file)) else { continue };
        let (own, needed) = line.split_once(':').expect("a line of modules.dep");
        // The last of what it depends on depends on nothing.
        for path in needed.split_whitespace().rev().chain([own]) {
            if !order.iter().any(|known| known == path) {
                order.push(path.to_owned());
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_comes_first() {
        let lines = [
            "k/a/btrfs.ko: k/xor.ko k/libcrc32c.ko",
            "k/xor.ko:",
            "k/libcrc32c.ko:",
            "k/crc32c_generic.ko:",
            "k/virtio_blk.ko: k/virtio_ring.ko k/virtio.ko",
            "k/virtio_pci.ko: k/virtio_ring.ko k/virtio.ko",
            "k/ext4.ko: k/jbd2.ko",
            "k/jbd2.ko:",
        ];
        let order = wanted(&lines.join("\n"));
        let names = order.iter().map(|path| path.trim_start_matches("k/").trim_end_matches(".ko"));
        assert_eq!(
            names.collect::<Vec<_>>().join(" "),
            "crc32c_generic virtio virtio_ring virtio_pci virtio_blk libcrc32c xor a/btrfs jbd2 ext4"
        );
    }
}
