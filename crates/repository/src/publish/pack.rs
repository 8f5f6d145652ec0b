//! What goes into the pack of a new version.

use std::collections::HashSet;

use delta::hash::Hash;
use delta::plan::Wanted;
use delta::unit;

use crate::bundle::Table;
use crate::bundle::table::{BundledRecipe, BundledUnit};
use crate::index::BundleFile;

/// A unit of an older pack is not used if less than this share of it, in hundredths, is of the new version.
const LEAST_USED: u64 = 97;

/// The contents of a version that older packs have.
///
/// Some of them are *scattered*: in units with much that the version does not have. They are packed once more, in units of their own. So
/// whoever has nothing fetches little in vain, and whoever has an older version fetches only what is new.
pub struct Stored {
    tree: HashSet<Hash>,
    missing: HashSet<Hash>,
    scattered: HashSet<Hash>,
    /// The packs that are used, in the order in which they were added.
    pub packs: Vec<BundleFile>,
}

impl Stored {
    /// Nothing is stored yet of these contents, which are all of the version.
    pub fn new(wanted: &[Wanted]) -> Self {
        let tree: HashSet<Hash> = wanted.iter().map(|wanted| wanted.hash).collect();
        Stored { missing: tree.clone(), tree, scattered: HashSet::new(), packs: Vec::new() }
    }

    /// Adds what a pack has.
    pub fn add(&mut self, pack: BundleFile, table: &Table) {
        let serves = |recipe: &&BundledRecipe| recipe.files.iter().all(|file| self.tree.contains(file));
        let recipes = table.recipes.iter().filter(serves).map(|recipe| recipe.content);
        let mut served: HashSet<Hash> = recipes.filter(|content| self.missing.contains(content)).collect();
        let (poor, good): (Vec<_>, Vec<_>) = table.units.iter().partition(|unit| self.is_poor(unit));
        let in_units = |units: &[&BundledUnit]| -> HashSet<Hash> {
            let contents = units.iter().flat_map(|unit| &unit.pieces).map(|piece| piece.content);
            contents.filter(|content| self.missing.contains(content)).collect()
        };
        // A large content is in several units.
        let scattered: HashSet<Hash> = in_units(&poor).difference(&served).copied().collect();
        served.extend(in_units(&good).difference(&scattered));
        if !served.is_empty() {
            self.packs.push(pack);
        }
        self.missing.retain(|content| !served.contains(content));
        self.scattered.extend(scattered);
    }

    fn is_poor(&self, unit: &BundledUnit) -> bool {
        let bytes = |is_counted: &dyn Fn(&Hash) -> bool| -> u64 {
            let pieces = unit.pieces.iter().filter(|piece| is_counted(&piece.content));
            pieces.map(|piece| unit::padded(&piece.new)).sum()
        };
        bytes(&|content| self.missing.contains(content)) * 100 < bytes(&|_| true) * LEAST_USED
    }

    /// Of the contents, those that are new, and those that are scattered.
    pub fn to_pack(&self, mut wanted: Vec<Wanted>) -> [Vec<Wanted>; 2] {
        wanted.retain(|wanted| self.missing.contains(&wanted.hash));
        let (scattered, new) = wanted.into_iter().partition(|wanted| self.scattered.contains(&wanted.hash));
        [new, scattered]
    }
}

#[cfg(test)]
mod tests {
    use delta::NewIndex;

    use super::*;
    use crate::bundle::table::{Answered, BundledPiece};
    use crate::index::Digest;

    const NONE: Answered = Answered { length: 0, hash: Hash([0; 32]) };

    fn named(name: &str) -> Hash {
        Hash::of(name.as_bytes())
    }

    /// A pack of units, each with pieces of so many KiB.
    fn pack(units: &[&[(&str, u64)]], recipes: &[(&str, &[&str])]) -> (BundleFile, Table) {
        let piece =
            |(name, size): &(&str, u64)| BundledPiece { content: named(name), new: 0..size << 10, old: None };
        let unit = |pieces: &&[(&str, u64)]| BundledUnit {
            answer: NONE,
            pieces: pieces.iter().map(piece).collect(),
        };
        let recipe = |(name, files): &(&str, &[&str])| BundledRecipe {
            answer: NONE,
            content: named(name),
            old: None,
            files: files.iter().map(|file| named(file)).collect(),
        };
        let hash = Digest(named(&format!("{units:?}{recipes:?}")));
        let table =
            Table { units: units.iter().map(unit).collect(), recipes: recipes.iter().map(recipe).collect() };
        (BundleFile { hash, head: 1, size: 1 }, table)
    }

    /// What is packed of a tree where there are these packs, and the number of packs that are used.
    fn packed(tree: &[&str], packs: &[(BundleFile, Table)]) -> (Vec<String>, Vec<String>, usize) {
        let wanted = |name: &&str| Wanted { entry: NewIndex(0), size: 1, hash: named(name), like: None };
        let wanted: Vec<Wanted> = tree.iter().map(wanted).collect();
        let mut stored = Stored::new(&wanted);
        for (pack, table) in packs {
            stored.add(*pack, table);
        }
        let name =
            |wanted: &Wanted| (*tree.iter().find(|name| named(name) == wanted.hash).unwrap()).to_owned();
        let [new, scattered] = stored.to_pack(wanted).map(|group| group.iter().map(name).collect::<Vec<_>>());
        (new, scattered, stored.packs.len())
    }

    #[test]
    fn what_packs_have_is_not_packed_again() {
        let old = pack(&[&[("a", 50), ("b", 50)]], &[]);
        assert_eq!(packed(&["a", "b", "c"], &[old]), (vec!["c".to_owned()], vec![], 1));
    }

    #[test]
    fn what_is_scattered_is_packed_once_more() {
        let old = pack(&[&[("a", 96), ("gone", 4)], &[("b", 97), ("gone too", 3)]], &[]);
        let (new, scattered, used) = packed(&["a", "b", "c"], std::slice::from_ref(&old));
        assert_eq!((new, scattered, used), (vec!["c".to_owned()], vec!["a".to_owned()], 1));
        // An older pack that has it in a unit of its own serves.
        let older = pack(&[&[("a", 96)]], &[]);
        assert_eq!(packed(&["a", "b"], &[old, older]), (vec![], vec![], 2));
    }

    #[test]
    fn a_large_content_is_packed_as_a_whole_and_a_pack_without_use_is_left_out() {
        let old = pack(&[&[("large", 100)], &[("large", 10), ("gone", 90)]], &[]);
        assert_eq!(packed(&["large"], &[old]), (vec![], vec!["large".to_owned()], 0));
    }

    #[test]
    fn a_recipe_serves_where_its_files_are() {
        let old = || pack(&[&[("file", 10)]], &[("image", &["file"])]);
        assert_eq!(packed(&["image", "file"], &[old()]), (vec![], vec![], 1));
        assert_eq!(packed(&["image"], &[old()]), (vec!["image".to_owned()], vec![], 0));
    }
}
