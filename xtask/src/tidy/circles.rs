//! No two files use each other, straight or by way of others. The files of a folder may use what the folder's own file defines.

use std::collections::{BTreeMap, BTreeSet};

use super::house::{House, Target};

/// Names each circle with what ties it.
pub fn check(house: &House) -> Vec<String> {
    let mut ties: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
    for module in 0..house.modules.len() {
        let is_above =
            |target: &Target| house.modules[module].path.starts_with(&house.modules[target.module].path);
        for (target, _) in house.uses(module).into_iter().filter(|(target, _)| !is_above(target)) {
            let name = target.path.last().cloned().unwrap_or_default();
            ties.entry((module, target.module)).or_default().insert(name);
        }
    }
    let mut ends: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (from, to) in ties.keys() {
        ends.entry(*from).or_default().insert(*to);
    }
    let reached: Vec<_> = (0..house.modules.len()).map(|module| reached(module, &ends)).collect();
    let in_circle = |from: &usize, to: &usize| reached[*from].contains(to) && reached[*to].contains(from);
    let tied = ties.iter().filter(|((from, to), _)| in_circle(from, to));
    let fault = |((from, to), names): (&(usize, usize), &BTreeSet<String>)| {
        let (from, to) = (&house.modules[*from].file, &house.modules[*to].file);
        let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("{from}: uses {names} of {to}, which uses this file in turn; move what ties them")
    };
    tied.map(fault).collect()
}

/// All that a module uses, and what that uses.
fn reached(module: usize, ends: &BTreeMap<usize, BTreeSet<usize>>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut left = vec![module];
    while let Some(next) = left.pop() {
        left.extend(ends.get(&next).into_iter().flatten().filter(|end| seen.insert(**end)));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_that_use_each_other() {
        let house = House::of(&[
            ("a", ""),
            ("a::one", "use super::two::X;"),
            ("a::two", "use super::one::Y;"),
            ("a::three", "use super::one::Y;"),
        ]);
        let faults = check(&house);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("crates/a/one.rs: uses X of crates/a/two.rs,"), "{}", faults[0]);
    }

    #[test]
    fn a_circle_of_three() {
        let house = House::of(&[
            ("a", ""),
            ("a::one", "use super::two::X;"),
            ("a::two", "use super::three::X;"),
            ("a::three", "use super::one::X;"),
        ]);
        assert_eq!(check(&house).len(), 3);
    }
}
