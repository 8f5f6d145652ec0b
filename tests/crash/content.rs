//! What a filesystem holds, to compare it with what it should hold.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use delta::hash::Hash;

/// Every path of a filesystem, with what is there.
pub type Content = BTreeMap<String, Node>;

/// What is at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Kind, mode and owner; a file's hash, a link's target.
    pub what: String,
    /// When it was changed last, seconds and nanoseconds.
    pub time: (i64, i64),
}

/// The inode of the root of every subvolume.
const SUBVOLUME: u64 = 256;
/// Files whose content is the tools' own and differs each time: only that they are there counts.
const OPAQUE: [&str; 3] = ["manifest", "lock", "history.jsonl"];
/// The record of a trial.
const TRIAL: &str = "trial.json";

/// Reads everything below `top`, which is not left.
pub fn read(top: &Path) -> io::Result<Content> {
    let mut content = Content::new();
    directory(top, "", &mut content)?;
    Ok(content)
}

fn directory(top: &Path, at: &str, content: &mut Content) -> io::Result<()> {
    for entry in fs::read_dir(top.join(at))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
        let place = top.join(&path);
        let found = place.symlink_metadata()?;
        let node = Node { what: describe(&place, &name, &found)?, time: (found.mtime(), found.mtime_nsec()) };
        content.insert(path.clone(), node);
        if found.is_dir() {
            directory(top, &path, content)?;
        }
    }
    Ok(())
}

fn describe(place: &Path, name: &str, found: &Metadata) -> io::Result<String> {
    let kind = found.file_type();
    let owner = format!("{:o} {}:{}", found.mode() & 0o7777, found.uid(), found.gid());
    Ok(if kind.is_symlink() {
        format!("link to {}", fs::read_link(place)?.display())
    } else if kind.is_dir() {
        let what = if found.ino() == SUBVOLUME { "subvolume" } else { "directory" };
        format!("{what} {owner}")
    } else if kind.is_file() && OPAQUE.contains(&name) {
        format!("file {owner}")
    } else if kind.is_file() && name == TRIAL {
        format!("file {owner} {}", without_time(&fs::read_to_string(place)?))
    } else if kind.is_file() {
        format!("file {owner} {:?}", Hash::of(&fs::read(place)?))
    } else {
        let what = if kind.is_char_device() || kind.is_block_device() { "device" } else { "special" };
        format!("{what} {owner} {}", found.rdev())
    })
}

/// The record of a trial, without the time that a boot took.
fn without_time(record: &str) -> String {
    record.lines().filter(|line| !line.contains("\"took\":")).collect()
}

/// The part of a content below `path`, that itself included, with the paths as they are.
pub fn below<'c>(content: &'c Content, path: &str) -> BTreeMap<&'c str, &'c Node> {
    let inside = format!("{path}/");
    content
        .iter()
        .filter(|(at, _)| *at == path || at.starts_with(&inside))
        .map(|(at, node)| (at.as_str(), node))
        .collect()
}

/// What differs between two contents, as far as times do not count; a few lines of it.
pub fn difference(found: &BTreeMap<&str, &Node>, wanted: &BTreeMap<&str, &Node>) -> Option<String> {
    let gone = wanted.iter().filter(|(path, _)| !found.contains_key(*path));
    let mut lines: Vec<String> = gone.map(|(path, _)| format!("{path} is missing")).collect();
    for (path, node) in found {
        match wanted.get(path) {
            None => lines.push(format!("{path} is too much")),
            Some(other) if other.what != node.what => {
                lines.push(format!("{path} is {}, not {}", node.what, other.what));
            }
            Some(_) => {}
        }
    }
    let shown = lines.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
    let more = if lines.len() > 4 { format!("; {} more", lines.len() - 4) } else { String::new() };
    (!lines.is_empty()).then(|| format!("{shown}{more}"))
}

/// All of a content, to compare it.
pub fn all(content: &Content) -> BTreeMap<&str, &Node> {
    content.iter().map(|(path, node)| (path.as_str(), node)).collect()
}
