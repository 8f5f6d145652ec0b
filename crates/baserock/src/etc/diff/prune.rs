//! Leaves out lines that need no comparing: equal lines at both ends, and lines that only one text has.

use std::collections::HashMap;

use super::Text;

/// The number of neighbours of a frequent line that are looked at in each direction.
const WINDOW: usize = 100;
/// A line that occurs so often is frequent in every text.
const FREQUENT: usize = 1024;

/// The number of equal lines at the beginning and at the end.
pub fn common_ends(before: &[u32], after: &[u32]) -> (usize, usize) {
    let same = |(a, b): &(&u32, &u32)| a == b;
    let start = before.iter().zip(after).take_while(same).count();
    let rest = (&before[start..], &after[start..]);
    (start, rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(same).count())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Nowhere,
    Somewhere,
    Frequent,
}

/// Marks as changed all lines that the other text does not have, and frequent lines among these. Returns the indices of the lines that are
/// left to compare.
pub fn prune(text: &mut Text, other: &Text, (start, end): (usize, usize)) -> Vec<usize> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    other.lines.iter().for_each(|&line| *counts.entry(line).or_default() += 1);
    let limit = root(text.lines.len()).min(FREQUENT);
    let middle = start..text.lines.len() - end;
    let presence: Vec<_> = text.lines[middle.clone()]
        .iter()
        .map(|line| match counts.get(line) {
            None => Presence::Nowhere,
            Some(&count) if count >= limit => Presence::Frequent,
            Some(_) => Presence::Somewhere,
        })
        .collect();
    let mut kept = Vec::new();
    for (index, &here) in presence.iter().enumerate() {
        if here == Presence::Somewhere || here == Presence::Frequent && !is_noise(&presence, index) {
            kept.push(middle.start + index);
        } else {
            text.changed[middle.start + index] = true;
        }
    }
    kept
}

/// Whether a frequent line stands among lines that the other text does not have. A match for it would only split a change.
fn is_noise(presence: &[Presence], index: usize) -> bool {
    let before = presence[index.saturating_sub(WINDOW)..index].iter().rev();
    let after = presence[index + 1..(index + 1 + WINDOW).min(presence.len())].iter();
    let (lone_before, frequent_before) = run(before);
    let (lone_after, frequent_after) = run(after);
    // The line itself counts once in each direction.
    let frequent = frequent_before + frequent_after + 2;
    lone_before > 0 && lone_after > 0 && frequent * 3 < lone_before + lone_after
}

/// Two numbers of lines up to the first ordinary one: those that the other text does not have, and frequent ones.
fn run<'a>(presence: impl Iterator<Item = &'a Presence>) -> (usize, usize) {
    let (mut lone, mut frequent) = (0, 0);
    for here in presence {
        match here {
            Presence::Nowhere => lone += 1,
            Presence::Frequent => frequent += 1,
            Presence::Somewhere => break,
        }
    }
    (lone, frequent)
}

/// A power of two near the square root.
pub fn root(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    1 << bits.div_ceil(2)
}
