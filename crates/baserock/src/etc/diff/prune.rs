//! Lines that need no comparing: those at both ends that agree, and those that occur on one side only.

use std::collections::HashMap;

use super::Text;

/// How far around a frequent line its neighbours are looked at.
const WINDOW: usize = 100;
/// A line that occurs this often counts as frequent in every text.
const FREQUENT: usize = 1024;

/// How many lines agree at the beginning and at the end.
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

/// Marks lines that the other text does not have as changed, and frequent ones in the midst of such lines. Returns the indices of the
/// lines that are left to compare.
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

/// Whether a frequent line stands among lines that the other text does not have, so that pairing it would only split a change.
fn is_noise(presence: &[Presence], index: usize) -> bool {
    let before = presence[index.saturating_sub(WINDOW)..index].iter().rev();
    let after = presence[index + 1..(index + 1 + WINDOW).min(presence.len())].iter();
    let (lone_before, frequent_before) = run(before);
    let (lone_after, frequent_after) = run(after);
    // The line itself counts once for each direction.
    let frequent = frequent_before + frequent_after + 2;
    lone_before > 0 && lone_after > 0 && frequent * 3 < lone_before + lone_after
}

/// How many lines follow that are nowhere in the other text, and how many frequent ones, up to the first ordinary line.
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

/// A power of two of about the square root.
pub fn root(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    1 << bits.div_ceil(2)
}
