//! Finds the changed lines between two texts, with exactly the alignment of `git merge-file`.
//!
//! If lines repeat (`#`, blank lines), a change can be placed in several ways, and the place decides whether two changes touch. An
//! administrator who knows git expects its answer. Crates for comparing texts differ from it in about one of a thousand such texts.

mod compact;
mod myers;
mod prune;

use std::collections::HashMap;
use std::ops::Range;

/// Lines of the first text that became lines of the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Lines of the first text.
    pub before: Range<usize>,
    /// Lines of the second text.
    pub after: Range<usize>,
}

/// A text while it is compared: its lines as numbers, and whether each is changed.
struct Text {
    lines: Vec<u32>,
    changed: Vec<bool>,
}

/// The changes from one text to the other, in order. Between any two there are unchanged lines.
pub fn hunks(before: &[&[u8]], after: &[&[u8]]) -> Vec<Hunk> {
    let mut numbers = HashMap::new();
    let [mut before, mut after] = [before, after].map(|lines| Text::new(lines, &mut numbers));
    compare(&mut before, &mut after);
    compact::compact(&mut before, &mut after);
    compact::compact(&mut after, &mut before);
    collect(&before.changed, &after.changed)
}

impl Text {
    fn new<'a>(lines: &[&'a [u8]], numbers: &mut HashMap<&'a [u8], u32>) -> Self {
        let number = |line: &&'a [u8]| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(line).or_insert(next)
        };
        Text { lines: lines.iter().map(number).collect(), changed: vec![false; lines.len()] }
    }
}

/// Marks the changed lines in both texts.
fn compare(before: &mut Text, after: &mut Text) {
    let ends = prune::common_ends(&before.lines, &after.lines);
    let kept = [prune::prune(before, after, ends), prune::prune(after, before, ends)];
    let [old, new] = [(&kept[0], &before.lines), (&kept[1], &after.lines)]
        .map(|(kept, lines)| kept.iter().map(|&index| lines[index]).collect::<Vec<_>>());
    let (removed, added) = myers::compare(&old, &new);
    for index in removed {
        before.changed[kept[0][index]] = true;
    }
    for index in added {
        after.changed[kept[1][index]] = true;
    }
}

fn collect(removed: &[bool], added: &[bool]) -> Vec<Hunk> {
    let run = |changed: &[bool], from: usize| from + changed[from..].iter().take_while(|&&is| is).count();
    let (mut hunks, mut old, mut new) = (Vec::new(), 0, 0);
    while old < removed.len() || new < added.len() {
        let (old_end, new_end) = (run(removed, old), run(added, new));
        if old_end > old || new_end > new {
            hunks.push(Hunk { before: old..old_end, after: new..new_end });
        }
        (old, new) = (old_end + 1, new_end + 1);
    }
    hunks
}
