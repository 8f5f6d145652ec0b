//! The next version of the small tree, for pushes of seconds.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::inputs;
use crate::programs::{run, shell};

/// A tree in which some files are new, some changed, some gone. No two have the same new content.
pub struct Next {
    place: TempDir,
}

/// One of each kind of file, and of each kind of change.
const CHANGES: &str = "
    echo VERSION_ID=2 >>etc/os-release; rm var/lib/thing/state
    head -c $SIZE /dev/urandom >large; cp large large-too; chown 5:6 large-too
    setfattr -n user.x -v y large; setfacl -m u:7:r large-too
    cp bin/busybox bin/changed; head -c 9 /dev/urandom | dd of=bin/changed bs=1 seek=70000 conv=notrunc status=none
    ln bin/changed bin/linked; chmod 4755 bin/changed; ln -s changed bin/link
    truncate -s 3M sparse; mkfifo fifo; mknod dev/null c 1 3
    for n in $(seq 60); do echo $n >etc/many-$n; done";

/// Makes these changes to a tree, with this many bytes twice that can neither be compressed nor found in another.
pub fn change(tree: &Path, bytes: u32) {
    let mut change = Command::new("sh");
    change.args(["-ec", CHANGES]).env("SIZE", bytes.to_string()).current_dir(tree);
    run(&mut change).ok();
}

impl Next {
    /// A tree with this many bytes twice that can neither be compressed nor found in another.
    pub fn new(bytes: u32) -> Self {
        let next = Next { place: tempfile::tempdir().expect("a temporary directory") };
        let source = inputs::busybox().expect("the small tree");
        let text = |path: &Path| path.to_str().expect("a path that is text").to_owned();
        shell("cp", &["-a", &text(&source), &text(&next.tree())]);
        change(&next.tree(), bytes);
        next
    }

    /// The tree.
    pub fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    /// Adds three files of this many bytes, of which a hundredth cannot be compressed.
    pub fn add_three(&self, bytes: usize) {
        let block: Vec<u8> = (0..=255).cycle().step_by(7).take(4099).collect();
        let mut random = File::open("/dev/urandom").expect("/dev/urandom");
        for number in 0..3 {
            let mut content = vec![0; bytes / 100];
            random.read_exact(&mut content).expect("/dev/urandom");
            content.extend(block.iter().cycle().take(bytes - content.len()));
            self.write(&format!("repeated-{number}"), &content);
        }
    }

    /// Adds a file, or replaces one.
    pub fn write(&self, path: &str, content: &[u8]) {
        fs::write(self.tree().join(path), content).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
