//! Fingerprints of an `etc`. They show whether somebody has changed it since.

use sha2::{Digest, Sha256};

use super::identity::{Class, class};
use super::path::EtcPath;
use super::tree::{Kind, Node, Tree};

/// The fingerprint of a merge's result. Files that change while a machine runs do not count: its own files and generated ones.
pub fn fingerprint_of_result(tree: &Tree) -> String {
    fingerprint(tree, |path| class(path) == Class::Ordinary)
}

/// The fingerprint of the machine's `etc`. The machine's own files count, because a new host name is to be merged as well.
pub fn fingerprint_of_user(tree: &Tree) -> String {
    fingerprint(tree, |path| matches!(class(path), Class::Ordinary | Class::Machine))
}

/// The fingerprint over paths, types, contents, modes, owners and attributes. Times do not count.
fn fingerprint(tree: &Tree, counts: impl Fn(&EtcPath) -> bool) -> String {
    let mut hasher = Sha256::new();
    for (path, node) in tree.iter().filter(|(path, _)| counts(path)) {
        hasher.update(path.as_bytes());
        hasher.update([0]);
        add_node(&mut hasher, node);
    }
    hex(&hasher.finalize())
}

fn add_node(hasher: &mut Sha256, node: &Node) {
    update(hasher, &node.kind);
    for number in [node.meta.mode, node.meta.uid, node.meta.gid] {
        hasher.update(number.to_le_bytes());
    }
    for (name, value) in &node.meta.attributes {
        for part in [name, value] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.update([0]);
    // A tree without flags has the same fingerprint as before flags counted.
    if !node.meta.flags.is_empty() {
        hasher.update(node.meta.flags.bits().to_le_bytes());
    }
}

/// The first 16 digits of the fingerprint of one node.
pub fn short_sum(node: &Node) -> String {
    let mut hasher = Sha256::new();
    add_node(&mut hasher, node);
    hex(&hasher.finalize()[..8])
}

/// The SHA-256 of a node's type and content, in hexadecimal.
pub fn sum(node: &Node) -> String {
    let mut hasher = Sha256::new();
    update(&mut hasher, &node.kind);
    hex(&hasher.finalize())
}

/// Feeds type and content to a hasher.
fn update(hasher: &mut Sha256, kind: &Kind) {
    hasher.update(kind.name());
    match kind {
        Kind::File(content) => hasher.update(content.sum()),
        Kind::Dir => {}
        Kind::Symlink(target) => hasher.update(target),
        Kind::Special { format, device } => {
            hasher.update(format.to_le_bytes());
            hasher.update(device.to_le_bytes());
        }
    }
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
