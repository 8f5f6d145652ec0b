//! Whole trees of `/etc`: accounts, fstab, identity, files that the tools made; no change of the user's is lost.

use baserock::etc::accounts::is_account_file;
use baserock::etc::{Action, EtcPath, Kind, Node, Options, Plan, Tree, Trees, plan};

/// Names that have rules of their own, and some that have none.
const PATHS: [&str; 16] = [
    "passwd",
    "shadow",
    "group",
    "gshadow",
    "subuid",
    "subgid",
    "fstab",
    "machine-id",
    "hostname",
    "ld.so.cache",
    "a",
    "a.rej",
    "a.orig",
    "b",
    "d/a",
    "d",
];

/// Nodes, one after the other: the number of its path, which tree and what it is, its content up to a zero byte.
pub fn run(bytes: &[u8]) {
    let [v1, user, v2] = trees(bytes);
    let original = Options { original_rules: true, ..Options::default() };
    let _refused = merged(&v1, &user, &v2, &original);
    let Some(first) = merged(&v1, &user, &v2, &Options::default()) else { return };
    for path in v1.paths().chain(user.paths()) {
        // Accounts are merged by record, and the file of the result may well be the new version's.
        if kind(&v1, path) != kind(&user, path) && !is_account_file(path) {
            assert!(is_accounted_for(&first, &user, path), "{path} is lost: {:#?}", first.steps);
        }
    }
    for conflict in &first.conflicts {
        assert!(first.result.get(&conflict.rej).is_some(), "{} is named and not there", conflict.rej);
    }
    again(&first, &v2);
}

fn trees(bytes: &[u8]) -> [Tree; 3] {
    let mut trees: [Tree; 3] = std::array::from_fn(|_| Tree::from_iter([(EtcPath::ROOT, Node::dir())]));
    for record in bytes.split(|&byte| byte == 0) {
        let [name, what, content @ ..] = record else { continue };
        let path = EtcPath::from(PATHS[usize::from(*name) % PATHS.len()]);
        let mode = if what & 0x40 == 0 { 0o644 } else { 0o600 };
        let node = match what >> 3 & 7 {
            6 => Node::symlink(content),
            7 => Node::dir(),
            _ => Node::new(Kind::File(content.to_vec().into()), mode),
        };
        for tree in
            trees.iter_mut().enumerate().filter(|(index, _)| what & 1 << index != 0).map(|(_, tree)| tree)
        {
            place(tree, &path, node.clone());
        }
    }
    trees
}

/// As a filesystem would have it: what is above is a directory, and what is below is gone where it is none any more.
fn place(tree: &mut Tree, path: &EtcPath, node: Node) {
    if let Some(folder) =
        path.parent().filter(|folder| !folder.is_root() && !tree.get(folder).is_some_and(Node::is_dir))
    {
        tree.insert(folder, Node::dir());
    }
    if !node.is_dir() {
        let below: Vec<EtcPath> = tree.below(path).map(|(path, _)| path.clone()).collect();
        below.iter().filter(|inner| *inner != path).for_each(|inner| drop(tree.remove(inner)));
    }
    tree.insert(path.clone(), node);
}

fn merged(v1: &Tree, user: &Tree, v2: &Tree, options: &Options) -> Option<Plan> {
    plan(Trees { v1: v1.clone(), user: user.clone(), v2: v2.clone() }, None, options).ok()
}

fn kind<'a>(tree: &'a Tree, path: &EtcPath) -> Option<&'a Kind> {
    tree.get(path).map(|node| &node.kind)
}

/// Whether the user's change of a path is in the result, or named, or of a file that is nobody's to change.
fn is_accounted_for(plan: &Plan, user: &Tree, path: &EtcPath) -> bool {
    let is_made = plan.conflicts.iter().any(|made| &made.rej == path || made.orig.as_ref() == Some(path));
    let step = plan.steps.iter().find(|step| &step.path == path);
    let is_settled =
        |action| matches!(action, Action::Merge | Action::Generated | Action::Machine | Action::Discard);
    kind(&plan.result, path) == kind(user, path)
        || is_made
        || step.is_some_and(|step| step.is_named() || is_settled(step.action))
}

/// An upgrade to the same keeps what was merged, and names every open conflict again.
fn again(first: &Plan, v2: &Tree) {
    let record = first.record("old");
    let trees = Trees { v1: v2.clone(), user: first.result.clone(), v2: v2.clone() };
    let second = plan(trees, Some(&record), &Options::default()).expect("the same trees merge");
    for (path, node) in first.result.iter() {
        assert_eq!(kind(&second.result, path), Some(&node.kind), "{path} after a second upgrade");
    }
    assert_eq!(second.conflicts, first.conflicts, "conflicts after a second upgrade");
}
