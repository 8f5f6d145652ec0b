//! The line-level three-way merge, on bytes.
//!
//! A change that touches a different change of the other side is a conflict. Without an unchanged line between two edits, nobody can tell
//! whether they belong together. `git merge-file` and `diff3` have the same rule.

use std::collections::VecDeque;
use std::ops::Range;

use super::diff::{Hunk, hunks};

/// Merges the changes from `base` to `ours` and to `theirs`. Returns `None` if they contradict each other.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let mut walk = Walk { ours: Side::new(&base, &ours), theirs: Side::new(&base, &theirs), copied: 0 };
    let mut merged = Vec::new();
    while let Some(region) = walk.next_region() {
        append(&mut merged, &base[walk.copied..region.start]);
        walk.copied = region.end;
        let (our, their) = (walk.ours.take(&region), walk.theirs.take(&region));
        let text = choose(our.as_deref(), their.as_deref())?;
        append(&mut merged, text);
    }
    append(&mut merged, &base[walk.copied..]);
    Some(merged)
}

/// Whether the bytes are text, which can be merged by lines: they have no NUL.
pub fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0)
}

type Line<'a> = &'a [u8];

fn lines(text: &[u8]) -> Vec<Line<'_>> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// The lines for a changed region; `None` if the sides contradict each other.
fn choose<'l, 'a>(ours: Option<&'l [Line<'a>]>, theirs: Option<&'l [Line<'a>]>) -> Option<&'l [Line<'a>]> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours == theirs).then_some(ours),
        (ours, theirs) => ours.or(theirs),
    }
}

/// Adds lines. A line without a newline gets one if another line follows.
fn append(merged: &mut Vec<u8>, lines: &[Line<'_>]) {
    for line in lines {
        if merged.last().is_some_and(|&b| b != b'\n') {
            merged.push(b'\n');
        }
        merged.extend_from_slice(line);
    }
}

struct Walk<'l, 'a> {
    ours: Side<'l, 'a>,
    theirs: Side<'l, 'a>,
    /// The number of lines of the base that are done.
    copied: usize,
}

impl Walk<'_, '_> {
    /// The next changed lines of the base. Changes that touch each other are one region.
    fn next_region(&self) -> Option<Range<usize>> {
        let first = [self.ours.peek(0), self.theirs.peek(0)]
            .into_iter()
            .flatten()
            .min_by_key(|r| (r.start, r.end))?;
        let mut region = first;
        loop {
            let end = self.ours.reach(&region).max(self.theirs.reach(&region));
            if end == region.end {
                return Some(region);
            }
            region.end = end;
        }
    }
}

/// The changes of one side that are not done yet.
struct Side<'l, 'a> {
    lines: &'l [Line<'a>],
    hunks: VecDeque<Hunk>,
    /// The line number of this side minus that of the base, before the next hunk.
    shift: isize,
}

impl<'l, 'a> Side<'l, 'a> {
    fn new(base: &[Line<'a>], lines: &'l [Line<'a>]) -> Self {
        Side { lines, hunks: hunks(base, lines).into(), shift: 0 }
    }

    fn peek(&self, index: usize) -> Option<Range<usize>> {
        let hunk = self.hunks.get(index)?;
        Some(hunk.before.clone())
    }

    /// The end of the region after all changes of this side that touch it are added.
    fn reach(&self, region: &Range<usize>) -> usize {
        let touching = (0..).map_while(|n| self.peek(n)).take_while(|r| r.start <= region.end);
        touching.map(|r| r.end).max().unwrap_or(0).max(region.end)
    }

    /// Takes this side's lines for a region, and removes its hunks there. `None` if it has none.
    fn take(&mut self, region: &Range<usize>) -> Option<Vec<Line<'a>>> {
        let start = region.start.checked_add_signed(self.shift)?;
        let mut changed = false;
        while let Some(range) = self.peek(0).filter(|r| r.start <= region.end) {
            let hunk = self.hunks.pop_front()?;
            self.shift += isize::try_from(hunk.after.len()).ok()? - isize::try_from(range.len()).ok()?;
            changed = true;
        }
        let end = region.end.checked_add_signed(self.shift)?;
        changed.then(|| self.lines[start..end].to_vec())
    }
}

#[cfg(test)]
#[path = "merge3_tests.rs"]
mod tests;
