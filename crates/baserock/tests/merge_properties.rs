//! Tests properties of all merges on random trees.
//!
//! Pace: seconds

use std::collections::BTreeMap;

use baserock::etc::{Action, EtcPath, Kind, Node, Options, Plan, Step, Tree, Trees, plan};
use proptest::prelude::*;

/// Paths whose types may differ from tree to tree. `d` and `x.d` are sometimes directories; programs read `x.d` whole.
const PATHS: [&str; 7] = ["a", "a.rej", "b", "d/a", "d/b", "e", "x.d/a"];

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["#", "", "x = 1", "y = 2", "z = 3"]);
    prop::collection::vec(line, 0..7).prop_map(|lines| lines.join("\n").into_bytes())
}

fn node() -> impl Strategy<Value = Option<Node>> {
    let mode = prop::sample::select(vec![0o644, 0o600, 0o640, 0o755]);
    let kind = prop_oneof![
        6 => text().prop_map(|text| Some(Kind::File(text.into()))),
        1 => prop::sample::select(vec!["x", "y"]).prop_map(|target| Some(Kind::Symlink(target.into()))),
        1 => Just(Some(Kind::File(b"\0binary".to_vec().into()))),
        2 => Just(None),
    ];
    (kind, mode).prop_map(|(kind, mode)| kind.map(|kind| Node::new(kind, mode)))
}

fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::vec(node(), PATHS.len()).prop_map(|nodes| {
        let mut tree = Tree::from_iter([(EtcPath::ROOT, Node::dir())]);
        for (path, node) in PATHS.iter().zip(nodes) {
            let path = EtcPath::from(*path);
            if let Some(node) = node {
                if let Some(folder) = path.parent().filter(|folder| !folder.is_root()) {
                    tree.insert(folder, Node::dir());
                }
                tree.insert(path, node);
            }
        }
        tree
    })
}

fn merged(v1: &Tree, user: &Tree, v2: &Tree) -> Plan {
    let trees = Trees { v1: v1.clone(), user: user.clone(), v2: v2.clone() };
    plan(trees, None, &Options::default()).unwrap()
}

/// The kinds and modes of a tree, to compare. Modes of links mean nothing, and times are not merged.
fn shape(tree: &Tree) -> BTreeMap<EtcPath, (Kind, u32)> {
    let mode = |node: &Node| if matches!(node.kind, Kind::Symlink(_)) { 0 } else { node.meta.mode };
    tree.iter().map(|(path, node)| (path.clone(), (node.kind.clone(), mode(node)))).collect()
}

fn kind<'a>(tree: &'a Tree, path: &EtcPath) -> Option<&'a Kind> {
    tree.get(path).map(|node| &node.kind)
}

/// Whether the user's change of a path is in the result or is named.
fn is_accounted_for(plan: &Plan, user: &Tree, path: &EtcPath) -> bool {
    let step = plan.steps.iter().find(|step| &step.path == path);
    kind(&plan.result, path) == kind(user, path)
        || step.is_some_and(|step| step.is_named() || step.action == Action::Merge)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn where_the_user_changed_nothing_the_result_is_the_new_version(v1 in tree(), v2 in tree()) {
        let plan = merged(&v1, &v1, &v2);
        prop_assert_eq!(shape(&plan.result), shape(&v2));
        prop_assert!(plan.conflicts.is_empty() && plan.steps.iter().all(Step::is_simply_new));
    }

    #[test]
    fn where_the_vendor_changed_nothing_the_result_is_the_users(v1 in tree(), user in tree()) {
        let plan = merged(&v1, &user, &v1);
        prop_assert_eq!(shape(&plan.result), shape(&user));
        prop_assert!(plan.conflicts.is_empty());
    }

    #[test]
    fn where_both_made_the_same_that_is_the_result(v1 in tree(), both in tree()) {
        let plan = merged(&v1, &both, &both);
        prop_assert_eq!(shape(&plan.result), shape(&both));
        prop_assert!(plan.conflicts.is_empty());
    }

    #[test]
    fn no_change_of_the_users_is_lost(v1 in tree(), user in tree(), v2 in tree()) {
        let plan = merged(&v1, &user, &v2);
        let paths = v1.paths().chain(user.paths());
        let is_made = |path: &EtcPath| plan.conflicts.iter().any(|made| &made.rej == path || made.orig.as_ref() == Some(path));
        for path in paths.filter(|path| kind(&v1, path) != kind(&user, path) && !is_made(path)) {
            prop_assert!(is_accounted_for(&plan, &user, path), "{path}: {:#?}", plan.steps);
        }
        for conflict in &plan.conflicts {
            prop_assert!(plan.result.get(&conflict.rej).is_some());
            prop_assert!(user.get(&conflict.rej).is_none(), "{} was the user's", conflict.rej);
            let mode = |tree: &Tree| tree.get(&conflict.path).filter(|node| node.content().is_some()).map(|node| node.meta.mode);
            if let (Some(own), Some(new), Some(rej)) = (mode(&user), mode(&v2), mode_of(&plan.result, &conflict.rej)) {
                prop_assert_eq!(rej & !(own & new), 0, "the mode of .rej is wider");
            }
        }
    }

    #[test]
    fn an_upgrade_to_the_same_changes_nothing_and_names_every_open_conflict(v1 in tree(), user in tree(), v2 in tree()) {
        let first = merged(&v1, &user, &v2);
        let record = first.record("old");
        let trees = Trees { v1: v2.clone(), user: first.result.clone(), v2: v2.clone() };
        let second = plan(trees, Some(&record), &Options::default()).unwrap();
        prop_assert_eq!(shape(&second.result), shape(&first.result));
        prop_assert_eq!(&second.conflicts, &first.conflicts);
        for conflict in &second.conflicts {
            prop_assert!(second.steps.iter().any(|step| step.path == conflict.path && step.is_named()));
        }
    }

    #[test]
    fn a_merge_is_the_same_every_time(v1 in tree(), user in tree(), v2 in tree()) {
        let (one, other) = (merged(&v1, &user, &v2), merged(&v1, &user, &v2));
        prop_assert_eq!(one.result, other.result);
        prop_assert_eq!(one.steps, other.steps);
    }
}

fn mode_of(tree: &Tree, path: &EtcPath) -> Option<u32> {
    tree.get(path).filter(|node| node.content().is_some()).map(|node| node.meta.mode)
}
