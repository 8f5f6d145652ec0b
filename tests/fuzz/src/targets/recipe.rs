//! Recipes: of a content as it comes, and from an outline that nobody meant well.

use std::io;

use delta::NewIndex;
use delta::hash::Hash;
use delta::recipe::{Literals, Proof, Recipe, describe, recreate};

use crate::parts::choice;

/// The length of an outline, the outline, the literals; or a content.
pub fn run(bytes: &[u8]) {
    // Half of all members are files of the tree.
    let is_known = |hash: &Hash| hash.0[0] & 1 == 0;
    if let Ok(literals) = Literals::of(bytes, &is_known) {
        let again = Literals::without(bytes, &literals.left_out).expect("what was read is read again");
        assert_eq!(again, literals.bytes);
    }
    let find = |hash: &Hash| Ok(is_known(hash).then_some(NewIndex(hash.0[1].into())));
    if let Some(recipe) = describe(bytes, Proof::Whole, &find) {
        let again = Recipe::read(&recipe.outline(), recipe.literals.clone());
        assert_eq!(again.expect("what was written is read"), recipe);
    }
    let Some((length, rest)) = choice(bytes) else { return };
    let Some((outline, literals)) = rest.split_at_checked(length.into()) else { return };
    let Ok(recipe) = Recipe::read(outline, literals.to_vec()) else { return };
    for size in [0, literals.len()] {
        let mut content = Vec::new();
        if recreate(&recipe, size as u64, &mut open, &mut content).is_ok() {
            assert_eq!(content.len(), size);
        }
        assert!(content.len() <= size, "more than it may be");
    }
}

/// A tree of a few files.
fn open(NewIndex(index): NewIndex) -> io::Result<&'static [u8]> {
    const FILE: [u8; 4096] = [7; 4096];
    FILE.get(..index).ok_or_else(|| io::ErrorKind::NotFound.into())
}
