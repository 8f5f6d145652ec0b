//! What is in a tree, for comparison.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::inode::Inode;

/// The facts of a file by their names.
pub type Facts = BTreeMap<&'static str, String>;

/// The files of a tree, with their facts.
pub type Tree = BTreeMap<String, Facts>;

/// The time of what was made just now.
pub const NOW: &str = "now";

/// Describes a tree. Times after `start`, in seconds, are now.
pub fn describe(root: &Path, start: i64) -> Tree {
    let mut tree = Tree::new();
    let mut first_names = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    let top = Dir::open(root).expect("a tree can be opened");
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let metadata = fs::symlink_metadata(&full).expect("a file can be examined");
        let kind = metadata.file_type();
        let mut facts = Facts::new();
        let word = match kind {
            _ if kind.is_dir() => "folder",
            _ if kind.is_symlink() => "link",
            _ if kind.is_fifo() => "fifo",
            _ if kind.is_char_device() => "character",
            _ if kind.is_block_device() => "block",
            _ => "file",
        };
        facts.insert("kind", word.into());
        facts.insert("mode", format!("{:o}", metadata.mode() & 0o7777));
        facts.insert("owner", format!("{}:{}", metadata.uid(), metadata.gid()));
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let now = seconds >= start && seconds < start + 1_000_000;
        facts.insert("mtime", if now { NOW.into() } else { format!("{seconds}.{nanoseconds:09}") });
        match word {
            "folder" => {
                let entries = fs::read_dir(&full).expect("a folder can be read");
                waiting.extend(entries.map(|entry| path.join(entry.expect("an entry").file_name())));
            }
            "link" => {
                let target = fs::read_link(&full).expect("a link can be read");
                facts.insert("target", shown(target.as_os_str().as_bytes()));
            }
            "file" => {
                let content = fs::read(&full).expect("a file can be read");
                facts.insert("content", summary(&content));
            }
            _ => {
                facts.insert("device", metadata.rdev().to_string());
            }
        }
        let name = shown(path.as_os_str().as_bytes());
        if word != "folder" && metadata.nlink() > 1 {
            first_names.entry(metadata.ino()).or_insert_with(Vec::new).push(name.clone());
        }
        let attributes = Inode::named(&top, &path).attributes().expect("attributes can be read");
        for (name, value) in attributes {
            let attribute = format!("{}={} ", shown(&name), shown(&value));
            *facts.entry("attributes").or_default() += &attribute;
        }
        tree.insert(name, facts);
    }
    for mut names in first_names.into_values() {
        names.sort();
        for name in &names {
            tree.get_mut(name).expect("it was described").insert("same", names.join(" "));
        }
    }
    tree
}

/// A name in one line.
pub fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

/// Content in few words: equal ones for equal content only, as far as the generator makes different ones.
fn summary(content: &[u8]) -> String {
    let sum = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{} bytes, sum {sum:x}", content.len())
}
