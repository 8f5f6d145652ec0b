//! The merge rules of the original tools, for users who depend on them.

use system::error::Result;

use super::path::EtcPath;
use super::rules::{Decision, Three, decide};
use super::step::Action;
use super::tree::{Kind, Node};
use crate::refusal::Refusal;

/// Merges one path as the original tools did. A deleted path comes back, a path that the new version dropped stays, and any difference in
/// type is an error.
pub fn decide_original(path: &EtcPath, three: Three<'_>) -> Result<Decision> {
    let nodes = [three.v1, three.user, three.v2];
    let Some(kind) = common_kind(path, nodes)? else { return Ok(Decision::default()) };
    if let Kind::Symlink(_) = kind {
        return Ok(preferred([three.user, three.v2, three.v1]));
    }
    match nodes {
        [Some(_), Some(_), Some(_)] => decide(three),
        [_, user, v2] => Ok(preferred([user, v2, None])),
    }
}

/// The common type of all existing nodes; `None` if there are none. It is an error if their types differ.
fn common_kind<'a>(path: &EtcPath, nodes: [Option<&'a Node>; 3]) -> Result<Option<&'a Kind>> {
    let mut kinds = nodes.into_iter().flatten().map(|node| &node.kind);
    let Some(first) = kinds.next() else { return Ok(None) };
    match kinds.find(|kind| !kind.is_like(first)) {
        None => Ok(Some(first)),
        Some(other) => {
            let clash = format!(
                "etc/{path}: it is a {} in one version and a {} in another",
                first.name(),
                other.name()
            );
            Err(Refusal::Unmergeable { clash, paths: vec![path.clone()] }.into())
        }
    }
}

/// The first existing node of these: the user's, the new version's, the old version's.
fn preferred(nodes: [Option<&Node>; 3]) -> Decision {
    let [user, v2, _] = nodes;
    let action = match (user, v2) {
        (Some(user), Some(v2)) if user.is_same(v2) => {
            return Decision { node: Some(v2.clone()), ..Decision::default() };
        }
        (Some(_), Some(_)) => Action::KeepOver,
        (Some(_), None) => Action::Keep,
        (None, Some(_)) => Action::Add,
        (None, None) => Action::Restore,
    };
    let node = nodes.into_iter().flatten().next();
    Decision { action: node.map(|_| action), ..Decision::of(node, action) }
}
