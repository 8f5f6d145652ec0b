//! Odd archives unpack here as GNU tar unpacks them, and images as umoci does, or the difference has a reason.
//!
//! `ARCHIVES` is how many are tried, and `FIRST_ARCHIVE` the number of the first one. Each number always makes the same archive. If one
//! is tried, it stays with both trees. `IMAGES` and `FIRST_IMAGE` do the same for images; if one is tried, its members are shown.
//!
//! Pace: seconds

mod generate;
mod header;
mod holes;
mod layers;
mod random;
mod reasons;
mod squeeze;
mod tree;
mod unpacked;
#[path = "../support/unpacking.rs"]
mod unpacking;

use std::collections::BTreeMap;

use unpacked::Place;

/// Archives that are tried at each run of the tests.
const FEW: u64 = 300;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn odd_archives_unpack_as_with_gnu_tar() {
    let (count, first) = (number("ARCHIVES", FEW), number("FIRST_ARCHIVE", 0));
    let mut place = Place::new();
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for seed in first..first + count {
        let odd = generate::archive(seed);
        let outcome = place.unpack(&odd);
        let differences = outcome.differences();
        let third = if differences.is_empty() { tree::Tree::new() } else { place.third() };
        for difference in differences {
            match reasons::of(&difference, &odd, &third) {
                Some(reason) => *tally.entry(reason).or_default() += 1,
                None => unexplained.push(format!("FIRST_ARCHIVE={seed}: {difference:?}")),
            }
        }
        if outcome.left {
            *tally.entry("GNU tar has changed a folder outside").or_default() += 1;
        }
        if outcome.both() {
            *tally.entry("unpacked by both").or_default() += 1;
        }
    }
    println!("of {count} archives: {tally:#?}");
    if count == 1 {
        println!("{:?}", generate::archive(first).marks);
        place.keep();
    }
    let shown = unexplained.iter().take(400).cloned().collect::<Vec<_>>().join("\n");
    assert!(unexplained.is_empty(), "{} differences without a reason:\n{shown}", unexplained.len());
    // One archive may be refused by both.
    let both = tally.get("unpacked by both").copied().unwrap_or_default();
    assert!(count == 1 || both > count / 3, "too few are unpacked to compare anything");
}

#[test]
fn images_unpack_as_with_umoci() {
    let (count, first) = (number("IMAGES", FEW), number("FIRST_IMAGE", 0));
    let (place, start) = unpacked::fresh();
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for seed in first..first + count {
        let image = layers::image(seed);
        let outcome = image.unpack(place.path(), start);
        for difference in outcome.differences() {
            match image.reason(&difference) {
                Some(reason) => *tally.entry(reason).or_default() += 1,
                None => unexplained.push(format!("FIRST_IMAGE={seed}: {difference:?}")),
            }
        }
        if outcome.both() {
            *tally.entry("unpacked by both").or_default() += 1;
        }
        if count == 1 {
            image.members().for_each(|(layer, member)| println!("{layer} {member:?}"));
        }
    }
    println!("of {count} images: {tally:#?}");
    assert!(unexplained.is_empty(), "differences without a reason:\n{}", unexplained.join("\n"));
    let both = tally.get("unpacked by both").copied().unwrap_or_default();
    assert!(count == 1 || both > count / 3, "too few are unpacked to compare anything");
}
