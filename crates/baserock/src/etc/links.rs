//! Hard links: which names are one file in the result.

use std::collections::BTreeSet;

use super::path::EtcPath;
use super::tree::{Tree, Trees};

/// Links the names in the result that are one file, merged three-way. Returns the pairs that the user had linked but that differ now.
pub fn settle(result: &mut Tree, trees: &Trees) -> Vec<(EtcPath, EtcPath)> {
    let files: BTreeSet<Vec<EtcPath>> = [&trees.user, &trees.v2]
        .into_iter()
        .flat_map(Tree::links)
        .map(|names| names.into_iter().cloned().collect())
        .collect();
    let mut parted = Vec::new();
    let mut count = 0;
    for names in &files {
        for (index, name) in names.iter().enumerate() {
            let Some(node) = result.get(name).filter(|node| !node.is_dir()) else { continue };
            let others: Vec<_> = names[..index].iter().filter(|other| is_one(trees, other, name)).collect();
            let is_same = |other: &EtcPath| result.get(other).is_some_and(|other| other.is_same(node));
            if let Some(first) = others.iter().find(|other| is_same(other)) {
                count += 1;
                let file = result.linked(first).or_else(|| result.linked(name)).unwrap_or(count);
                result.link((*first).clone(), file);
                result.link(name.clone(), file);
            } else if let Some(first) = others.iter().find(|other| result.get(other).is_some()) {
                parted.push(((*first).clone(), name.clone()));
            }
        }
    }
    parted
}

/// Whether both names are to be one file: as it is on the side that changed it.
fn is_one(trees: &Trees, one: &EtcPath, other: &EtcPath) -> bool {
    let linked = |tree: &Tree| tree.are_linked(one, other);
    let has_both = |tree: &Tree| [one, other].into_iter().all(|path| tree.get(path).is_some());
    let Trees { v1, user, v2 } = trees;
    if !has_both(v2) || (has_both(user) && linked(user) != linked(v1)) { linked(user) } else { linked(v2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etc::Node;

    fn tree(files: &[(&str, &str)], linked: &[&str]) -> Tree {
        let nodes = files.iter().map(|(path, text)| (EtcPath::from(*path), Node::file(text.as_bytes())));
        let mut tree: Tree = nodes.collect();
        for path in linked {
            tree.link(EtcPath::from(*path), 7);
        }
        tree
    }

    fn settled(trees: &Trees, mut result: Tree) -> (Vec<Vec<String>>, usize) {
        let parted = settle(&mut result, trees).len();
        let names = |names: Vec<&EtcPath>| names.into_iter().map(EtcPath::to_string).collect();
        (result.links().map(names).collect(), parted)
    }

    #[test]
    fn names_are_one_file_as_the_side_has_it_that_changed_it() {
        let files = [("a", "1"), ("b", "1"), ("c", "1")];
        let (apart, ab) = (tree(&files, &[]), tree(&files, &["a", "b"]));
        let by = |v1: &Tree, user: &Tree, v2: &Tree| {
            let trees = Trees { v1: v1.clone(), user: user.clone(), v2: v2.clone() };
            settled(&trees, apart.clone()).0.len()
        };
        assert_eq!(by(&apart, &ab, &apart), 1, "the user linked them");
        assert_eq!(by(&apart, &apart, &ab), 1, "the new version linked them");
        assert_eq!(by(&ab, &apart, &ab), 0, "the user parted them");
        assert_eq!(by(&ab, &ab, &apart), 0, "the new version parted them");
        assert_eq!(by(&Tree::default(), &ab, &Tree::default()), 1, "they are the user's alone");
    }

    #[test]
    fn names_that_differ_in_the_result_are_told() {
        let (apart, linked) =
            (tree(&[("a", "1"), ("b", "1")], &[]), tree(&[("a", "1"), ("b", "1")], &["a", "b"]));
        let trees = Trees { v1: apart.clone(), user: linked, v2: apart };
        assert_eq!(settled(&trees, tree(&[("a", "1"), ("b", "2")], &[])), (Vec::new(), 1));
    }

    #[test]
    fn two_pairs_of_one_file_stay_two() {
        let names = ["a", "b", "c", "d"];
        let user = tree(&names.map(|name| (name, "1")), &names);
        let trees = Trees { user, ..Trees::default() };
        let result = tree(&[("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")], &[]);
        let pairs = vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned(), "d".to_owned()]];
        assert_eq!(settled(&trees, result).0, pairs);
    }
}
