//! Forms and recipes that mean harm are refused, or make what they say, within bounds.

use delta::form::Form;
use delta::recipe::Recipe;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::initramfs::{Files, archive};
use crate::{noise, packed};

proptest! {
    #[test]
    fn bytes_are_no_form(bytes in vec(any::<u8>(), 0..3000), size in 0..5000usize) {
        if let Ok(file) = Form::Gzip.decode(&bytes, size) {
            prop_assert_eq!(file.len(), size);
        }
    }

    #[test]
    fn bytes_are_no_recipe(outline in vec(any::<u8>(), 0..200), literals in vec(any::<u8>(), 0..200), size in 0..5000usize) {
        if let Ok(recipe) = Recipe::read(&outline, literals) {
            let files = Files(vec![noise(1, 1000)]);
            if let Ok(content) = files.recreate(&recipe, size) {
                prop_assert_eq!(content.len(), size);
            }
        }
    }

    #[test]
    fn a_damaged_recipe_makes_no_more_than_it_may(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let files = Files(vec![noise(1, 1000)]);
        let content = packed(&archive(&[("a", &files.0[0])]), 6);
        let recipe = files.describe(&content).unwrap();
        let mut outline = recipe.outline();
        let at = at.index(outline.len());
        outline[at] = byte;
        if let Ok(recipe) = Recipe::read(&outline, recipe.literals)
            && let Ok(made) = files.recreate(&recipe, content.len())
        {
            prop_assert_eq!(made.len(), content.len());
        }
    }
}

/// The largest file over and over, packed to nearly nothing.
#[test]
fn a_recipe_that_packs_too_much_ends() {
    let files = Files(vec![vec![0; 1 << 20]]);
    let content = packed(&archive(&vec![("zeros", &files.0[0][..]); 100]), 6);
    let recipe = files.describe(&content).expect("it can be described");
    let error = files.recreate(&recipe, content.len()).unwrap_err();
    assert!(error.to_string().contains("too much"), "{error}");
}
