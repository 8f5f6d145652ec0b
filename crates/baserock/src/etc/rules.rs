//! The table of the merge: a function from the three nodes of a path to a decision.

use system::error::Result;

use super::conflict::Rejected;
use super::merge3;
use super::metadata;
use super::reject::texts;
use super::step::Action;
use super::tree::{Kind, Node};

/// One path in the three trees.
#[derive(Clone, Copy)]
pub struct Three<'a> {
    /// The node in the old version as built.
    pub v1: Option<&'a Node>,
    /// The node on the machine, as the user left it.
    pub user: Option<&'a Node>,
    /// The node in the new version as built.
    pub v2: Option<&'a Node>,
}

/// The decision about a path.
#[derive(Debug, Default)]
pub struct Decision {
    /// The node in the result; `None` if there is to be nothing.
    pub node: Option<Node>,
    /// The action; `None` if all three agree.
    pub action: Option<Action>,
    /// The clashes in mode, owner or attributes, in words.
    pub clashes: Vec<String>,
    /// The user's change, if it is not in the result.
    pub rejected: Option<Rejected>,
    /// Other notes for the user.
    pub notes: Vec<String>,
    /// Whether the path cannot be merged, because it is a directory on one side and something else on the other.
    pub unmergeable: bool,
    /// Whether the step of a path above tells of it.
    pub is_part: bool,
}

/// Merges one path by the table.
pub fn decide(three: Three<'_>) -> Result<Decision> {
    let [v1, user, v2] = three.kinds();
    if user == v2 {
        return Ok(agreed(three));
    }
    if user == v1 {
        let action = if v1.is_none() {
            Action::Add
        } else if v2.is_none() {
            Action::Drop
        } else {
            Action::Update
        };
        let mut decision = three.with_metadata(three.v2, action);
        decision.clashes.extend(three.lost_metadata());
        return Ok(decision);
    }
    if v2 == v1 {
        let action = if user.is_none() { Action::Delete } else { Action::Keep };
        return Ok(three.with_metadata(three.user, action));
    }
    match (three.user, three.v2) {
        (Some(user), Some(v2)) => both_changed(three, user, v2),
        (None, v2) => Ok(Decision::of(v2, Action::Restore)),
        (user, None) => Ok(Decision::of(user, Action::KeepDropped)),
    }
}

/// Decides if type and content are the same on both sides. Metadata may still differ.
fn agreed(three: Three<'_>) -> Decision {
    let mut decision = three.with_metadata(three.v2, Action::Keep);
    let is_new = match (&decision.node, three.v2) {
        (Some(result), Some(v2)) => result.is_same(v2),
        _ => true,
    };
    if is_new && !decision.clashes.is_empty() {
        decision.action = Some(Action::Clash);
    } else if is_new {
        let user_differs = three.user.zip(three.v2).is_some_and(|(user, v2)| !user.is_same(v2));
        decision.action = user_differs.then_some(Action::Update);
    }
    decision
}

fn both_changed(three: Three<'_>, user: &Node, v2: &Node) -> Result<Decision> {
    match (&user.kind, &v2.kind) {
        (Kind::File(_), Kind::File(_)) if three.v1.is_some() => both_edited(three, user, v2),
        (Kind::File(_), Kind::File(_)) | (Kind::Symlink(_), Kind::Symlink(_)) => {
            Ok(Decision::of(Some(user), Action::KeepOver))
        }
        (Kind::Dir, _) | (_, Kind::Dir) => Ok(Decision { unmergeable: true, ..Decision::default() }),
        _ => Ok(conflict(three, user, v2)),
    }
}

/// Decides about regular files that both sides changed. They are merged by lines if possible.
fn both_edited(three: Three<'_>, user: &Node, v2: &Node) -> Result<Decision> {
    let contents = (three.v1.and_then(Node::content), user.content(), v2.content());
    let (Some(base), Some(ours), Some(theirs)) = contents else {
        return Ok(conflict(three, user, v2));
    };
    let merged = match texts([base, ours, theirs])?.as_deref() {
        Some([base, ours, theirs]) => merge3::merge(base, ours, theirs),
        _ => None,
    };
    Ok(match merged {
        Some(text) => three.merged(text, user, v2),
        None => conflict(three, user, v2),
    })
}

/// Takes the new version's node, and puts the user's change aside.
pub fn conflict(three: Three<'_>, user: &Node, v2: &Node) -> Decision {
    let rejected = Rejected { v1: three.v1.cloned(), user: user.clone(), v2: v2.clone() };
    Decision { rejected: Some(rejected), ..three.with_metadata(Some(v2), Action::Conflict) }
}

impl Decision {
    /// Takes this node as it is.
    pub fn of(node: Option<&Node>, action: Action) -> Self {
        Decision { node: node.cloned(), action: Some(action), ..Decision::default() }
    }
}

impl<'a> Three<'a> {
    fn kinds(self) -> [Option<&'a Kind>; 3] {
        [self.v1, self.user, self.v2].map(|node| node.map(|node| &node.kind))
    }

    /// A note if the user's change of metadata is lost, because the new version drops the path or changes its type.
    fn lost_metadata(self) -> Option<String> {
        let (v1, user) = self.v1.zip(self.user)?;
        let is_link = matches!(user.kind, Kind::Symlink(_));
        let goes = self.v2.is_none_or(|v2| !v2.kind.is_like(&user.kind));
        (goes && !is_link && user.meta != v1.meta)
            .then(|| "its mode, owner or attributes were changed here".to_owned())
    }

    /// A file that holds both sides' changes.
    pub fn merged(self, text: Vec<u8>, user: &Node, v2: &Node) -> Decision {
        let modified = user.modified.max(v2.modified);
        let node = Node { kind: Kind::File(text.into()), meta: v2.meta.clone(), modified };
        self.with_metadata(Some(&node), Action::Merge)
    }

    /// Takes the chosen node. Its metadata is merged three-way if both sides have this type; else it keeps its own.
    pub fn with_metadata(self, chosen: Option<&Node>, action: Action) -> Decision {
        let mut decision = Decision::of(chosen, action);
        let (Some(node), Some(user), Some(v2)) = (&mut decision.node, self.user, self.v2) else {
            return decision;
        };
        if user.kind.is_like(&node.kind) && v2.kind.is_like(&node.kind) {
            let v1 = self.v1.filter(|v1| v1.kind.is_like(&node.kind));
            (node.meta, decision.clashes) = metadata::merge(v1.map(|v1| &v1.meta), &user.meta, &v2.meta);
        }
        decision
    }
}
