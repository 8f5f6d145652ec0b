//! A tree of files as a value: an `etc` that can be compared and merged without touching a disk.

use std::collections::BTreeMap;

use system::metadata::{Metadata, Time};
use system::owners::IdMoves;

use super::content::Content;
use super::path::EtcPath;

/// Everything below an `etc`, by path. The empty path is `etc` itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<EtcPath, Node>,
    /// The paths that are names of one file, each with a number for the file. A path that is the only name of its file is not here.
    names: BTreeMap<EtcPath, u64>,
}

/// The three trees of a merge.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    /// The old version's `etc` as built.
    pub v1: Tree,
    /// The old version's `etc` as the user left it.
    pub user: Tree,
    /// The new version's `etc` as built.
    pub v2: Tree,
}

/// One path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Type and content.
    pub kind: Kind,
    /// Mode, owner, attributes and flags.
    pub meta: Metadata,
    /// The time of the last change.
    pub modified: Time,
}

/// Type and content. This is the value that is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File(Content),
    /// A directory. Its entries are paths of their own.
    Dir,
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A device node, FIFO or socket.
    Special {
        /// `S_IFCHR`, `S_IFBLK`, `S_IFIFO` or `S_IFSOCK`.
        format: u32,
        /// The number of the device; 0 if it is no device.
        device: u64,
    },
}

impl Kind {
    /// The type in words, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::File(_) => "file",
            Kind::Dir => "directory",
            Kind::Symlink(_) => "symlink",
            Kind::Special { .. } => "special file",
        }
    }

    /// Whether both have the same type. Contents do not count.
    pub fn is_like(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Special { format: a, .. }, Kind::Special { format: b, .. }) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Node {
    /// A regular file, `0644 root:root`.
    pub fn file(bytes: &[u8]) -> Self {
        Node::new(Kind::File(bytes.into()), 0o644)
    }

    /// A directory, `0755 root:root`.
    pub fn dir() -> Self {
        Node::new(Kind::Dir, 0o755)
    }

    /// A symbolic link, owned by root.
    pub fn symlink(target: &[u8]) -> Self {
        Node::new(Kind::Symlink(target.to_vec()), 0o777)
    }

    /// A node that belongs to root, from 1970, without extended attributes.
    pub fn new(kind: Kind, mode: u32) -> Self {
        Node { kind, meta: Metadata { mode, ..Metadata::default() }, modified: Time::default() }
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }

    /// The content of a regular file.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }

    /// Whether type, content, mode, owner and attributes agree. Times do not count.
    pub fn is_same(&self, other: &Node) -> bool {
        self.kind == other.kind && self.meta == other.meta
    }
}

impl Tree {
    /// The node at a path.
    pub fn get(&self, path: &EtcPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The content of the regular file at a path.
    pub fn content(&self, path: &EtcPath) -> Option<&Content> {
        self.get(path).and_then(Node::content)
    }

    /// Puts a node at a path. It replaces the node that was there.
    pub fn insert(&mut self, path: EtcPath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Notes that a path is a name of the file with this number, which has other names too (hard links).
    pub fn link(&mut self, path: EtcPath, file: u64) {
        self.names.insert(path, file);
    }

    /// The number of the file of which the path is one of several names.
    pub fn linked(&self, path: &EtcPath) -> Option<u64> {
        self.names.get(path).copied()
    }

    /// Whether both paths are names of one file.
    pub fn are_linked(&self, one: &EtcPath, other: &EtcPath) -> bool {
        self.linked(one).is_some() && self.linked(one) == self.linked(other)
    }

    /// The names of each file that has several, sorted.
    pub fn links(&self) -> impl Iterator<Item = Vec<&EtcPath>> {
        let mut files: BTreeMap<u64, Vec<&EtcPath>> = BTreeMap::new();
        for (path, &file) in self.names.iter().filter(|(path, _)| self.nodes.contains_key(*path)) {
            files.entry(file).or_default().push(path);
        }
        files.into_values().filter(|names| names.len() > 1)
    }

    /// Takes out the node at a path, but not the nodes below it.
    pub fn remove(&mut self, path: &EtcPath) -> Option<Node> {
        self.nodes.remove(path)
    }

    /// All paths with their nodes, a directory before its entries.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&EtcPath, &Node)> {
        self.nodes.iter()
    }

    /// Changes the numbers of users and groups of every node to the machine's.
    pub fn apply_moves(&mut self, moves: &IdMoves) {
        if !moves.is_empty() {
            self.nodes_mut().for_each(|node| node.meta.apply_moves(moves));
        }
    }

    /// All nodes, for changing them.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.values_mut()
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &EtcPath> {
        self.nodes.keys()
    }

    /// Whether there is anything below the path.
    pub fn has_below(&self, path: &EtcPath) -> bool {
        self.below(path).next().is_some()
    }

    /// All paths below this one, with their nodes.
    pub fn below(&self, path: &EtcPath) -> impl Iterator<Item = (&EtcPath, &Node)> {
        let first = if path.is_root() { EtcPath::from(&b"\x01"[..]) } else { path.join(b"") };
        self.nodes.range(first..).take_while(move |(other, _)| other.is_within(path))
    }
}

impl FromIterator<(EtcPath, Node)> for Tree {
    fn from_iter<I: IntoIterator<Item = (EtcPath, Node)>>(nodes: I) -> Self {
        Tree { nodes: nodes.into_iter().collect(), ..Tree::default() }
    }
}
