//! The line-level three-way merge, on bytes.
//!
//! A change that touches a change of the other side is a conflict, unless both say the same: where no unchanged line lies between
//! two edits, nobody can tell whether they belong together. This is how `git merge-file` and `diff3` see it as well.

use std::collections::VecDeque;
use std::ops::Range;

use super::diff::{Hunk, hunks};

/// Merges what `ours` and `theirs` made of `base`; `None` where both changed the same lines.
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

/// Whether bytes are text that can be merged by lines: no NUL among them.
pub fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0)
}

type Line<'a> = &'a [u8];

fn lines(text: &[u8]) -> Vec<Line<'_>> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// The one text that a changed region becomes, if the sides do not contradict each other.
fn choose<'l, 'a>(ours: Option<&'l [Line<'a>]>, theirs: Option<&'l [Line<'a>]>) -> Option<&'l [Line<'a>]> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours == theirs).then_some(ours),
        (ours, theirs) => ours.or(theirs),
    }
}

/// Adds lines; a last line without its newline gets one when another follows.
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
    /// How many lines of the base have been dealt with.
    copied: usize,
}

impl Walk<'_, '_> {
    /// The next lines of the base that a side changed, with every change that touches them.
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

/// One side's changes to the base, those not yet dealt with.
struct Side<'l, 'a> {
    lines: &'l [Line<'a>],
    hunks: VecDeque<Hunk>,
    /// This side's line minus the base's line, before the next hunk.
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

    /// Where the region ends when this side's changes that touch it belong to it.
    fn reach(&self, region: &Range<usize>) -> usize {
        let touching = (0..).map_while(|n| self.peek(n)).take_while(|r| r.start <= region.end);
        touching.map(|r| r.end).max().unwrap_or(0).max(region.end)
    }

    /// This side's lines for a region, if it changed any; its hunks there are used up.
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
