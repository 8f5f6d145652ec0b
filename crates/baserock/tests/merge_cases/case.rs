//! Reads the folder of one case into trees.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use baserock::etc::{EtcPath, Kind, Node, Options, Tree};

use crate::extra;

/// The trees of one merge, by the name of their folder, and the options of the merge.
#[derive(Default)]
pub struct Round {
    pub trees: BTreeMap<String, Tree>,
    pub options: Options,
    /// The lines of `steps`, if the case has that file.
    pub steps: Option<Vec<String>>,
    /// The text that the error must contain, if the merge must fail.
    pub error: Option<String>,
}

pub const TREES: [&str; 4] = ["v1", "vuser", "v2", "expected"];

/// The merges of a case: the first, and those of its folders `then`.
pub fn rounds(folder: &Path) -> Vec<Round> {
    let mut rounds = vec![round(folder)];
    let mut next = folder.join("then");
    while next.is_dir() {
        rounds.push(round(&next));
        next = next.join("then");
    }
    rounds
}

fn round(folder: &Path) -> Round {
    let mut round = Round::default();
    for name in TREES {
        if folder.join(name).is_dir() {
            round.trees.insert(name.to_owned(), read(&folder.join(name)));
        }
    }
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    round.steps = text("steps").map(|text| text.lines().map(str::to_owned).collect());
    round.error = text("error").map(|text| text.trim().to_owned());
    for line in
        text("extra").unwrap_or_default().lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        extra::apply(line, &mut round);
    }
    round
}

/// Reads what git stores: contents, links, and executable bits. Everything belongs to root.
fn read(root: &Path) -> Tree {
    let mut tree = Tree::default();
    tree.insert(EtcPath::ROOT, Node::dir());
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
            let node = if metadata.is_dir() {
                folders.push(path.clone());
                Node::dir()
            } else if metadata.is_symlink() {
                Node::symlink(fs::read_link(root.join(&path)).unwrap().as_os_str().as_bytes())
            } else {
                let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
                Node::new(Kind::File(fs::read(root.join(&path)).unwrap().into()), mode)
            };
            tree.insert(EtcPath::from(path.as_os_str().as_bytes()), node);
        }
    }
    tree
}

/// Every path of a tree as one line, so that differences show.
pub fn listing(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, node)| format!("{path} {}", describe(node))).collect()
}

fn describe(node: &Node) -> String {
    let meta = &node.meta;
    let what = match &node.kind {
        Kind::File(content) if content.size() > 4000 => {
            format!("file of {} bytes, {:02x?}", content.size(), &content.sum()[..4])
        }
        Kind::File(content) => format!("file {}", content.bytes().unwrap().escape_ascii()),
        Kind::Symlink(target) => format!("-> {}", target.escape_ascii()),
        other => other.name().to_owned(),
    };
    let mode = if matches!(node.kind, Kind::Symlink(_)) { 0o777 } else { meta.mode };
    let xattrs: Vec<_> =
        meta.attributes.iter().map(|(k, v)| format!(" {}={}", k.escape_ascii(), v.escape_ascii())).collect();
    format!("{mode:04o} {}:{} {what}{}", meta.uid, meta.gid, xattrs.concat())
}
