//! Checks the shape of the result: every path needs a directory above it.

use std::collections::BTreeSet;

use system::error::Error;

use super::path::EtcPath;
use super::tree::{Node, Tree, Trees};
use crate::refusal::Refusal;

/// Adds the missing directories above the paths of the result. Paths that would need to be a directory but are something else are added to
/// `unmergeable`.
pub fn complete(result: &mut Tree, trees: &Trees, unmergeable: &mut BTreeSet<EtcPath>) {
    let paths: Vec<_> = result.paths().cloned().collect();
    for path in paths {
        let mut above = path.parent();
        while let Some(folder) = above {
            match result.get(&folder) {
                Some(node) if node.is_dir() => break,
                Some(_) => drop(unmergeable.insert(folder.clone())),
                None if unmergeable.contains(&folder) => {}
                None => result.insert(folder.clone(), directory(&folder, trees)),
            }
            above = folder.parent();
        }
    }
}

/// The directory from one of the trees; the new version's is preferred.
fn directory(path: &EtcPath, trees: &Trees) -> Node {
    let nodes = [&trees.v2, &trees.user, &trees.v1].map(|tree| tree.get(path));
    nodes.into_iter().flatten().find(|node| node.is_dir()).cloned().unwrap_or_else(Node::dir)
}

/// The error that names every unmergeable path with its types.
pub fn refusal(paths: &BTreeSet<EtcPath>, trees: &Trees) -> Error {
    let name = |tree: &Tree, path: &EtcPath| tree.get(path).map_or("missing", |node| node.kind.name());
    let each = paths.iter().map(|path| {
        let (user, v2) = (name(&trees.user, path), name(&trees.v2, path));
        format!("etc/{path} is a {user} on this machine and a {v2} in the new version")
    });
    let clash = format!("etc: {}", each.collect::<Vec<_>>().join(", "));
    Refusal::Unmergeable { clash, paths: paths.iter().cloned().collect() }.into()
}
