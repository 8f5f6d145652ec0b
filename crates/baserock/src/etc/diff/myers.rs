//! Finds the shortest edit by divide and conquer from both ends (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986).

use std::ops::Range;

use super::prune::root;

/// The least number of edits after which a good split is taken instead of the best one, so that large texts do not take forever.
const LEAST_PATIENCE: usize = 256;

/// The indices of the lines that are removed from the first text, and of those that are added in the second.
pub fn compare(before: &[u32], after: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let diagonals = before.len() + after.len() + 3;
    let mut search = Search {
        before,
        after,
        forward: vec![0; diagonals],
        backward: vec![0; diagonals],
        patience: root(diagonals).max(LEAST_PATIENCE),
        removed: Vec::new(),
        added: Vec::new(),
    };
    // A list of parts instead of recursion, because the depth of a recursion would grow with the texts.
    let mut parts = vec![(0..before.len(), 0..after.len(), false)];
    while let Some((old, new, exact)) = parts.pop() {
        search.part(old, new, exact, &mut parts);
    }
    (search.removed, search.added)
}

/// Ranges of both texts to compare. The flag tells whether the best split must be found, however long that takes.
type Part = (Range<usize>, Range<usize>, bool);

struct Search<'a> {
    before: &'a [u32],
    after: &'a [u32],
    /// The furthest line of the first text on each diagonal: here from the beginning, in `backward` from the end.
    forward: Vec<isize>,
    backward: Vec<isize>,
    patience: usize,
    removed: Vec<usize>,
    added: Vec<usize>,
}

/// The point that cuts a part in two. `exact` tells for each half whether its best split must be found.
struct Split {
    old: usize,
    new: usize,
    exact: (bool, bool),
}

/// The diagonals of the search in one direction.
#[derive(Clone, Copy)]
struct Band {
    low: isize,
    high: isize,
}

impl Search<'_> {
    fn part(&mut self, mut old: Range<usize>, mut new: Range<usize>, exact: bool, parts: &mut Vec<Part>) {
        while !old.is_empty() && !new.is_empty() && self.before[old.start] == self.after[new.start] {
            (old.start, new.start) = (old.start + 1, new.start + 1);
        }
        while !old.is_empty() && !new.is_empty() && self.before[old.end - 1] == self.after[new.end - 1] {
            (old.end, new.end) = (old.end - 1, new.end - 1);
        }
        if old.is_empty() || new.is_empty() {
            self.removed.extend(old);
            self.added.extend(new);
            return;
        }
        let split = self.split(&old, &new, exact);
        parts.push((old.start..split.old, new.start..split.new, split.exact.0));
        parts.push((split.old..old.end, split.new..new.end, split.exact.1));
    }

    /// Searches from both ends at once until the paths meet.
    fn split(&mut self, old: &Range<usize>, new: &Range<usize>, exact: bool) -> Split {
        let (from, to) = (signed(old.start) - signed(new.start), signed(old.end) - signed(new.end));
        let limits =
            Band { low: signed(old.start) - signed(new.end), high: signed(old.end) - signed(new.start) };
        let is_odd = (from - to) & 1 != 0;
        let (mut ahead, mut behind) = (Band { low: from, high: from }, Band { low: to, high: to });
        self.set(true, from, signed(old.start));
        self.set(false, to, signed(old.end));
        for cost in 1.. {
            self.widen(&mut ahead, limits, true, -1);
            for diagonal in ahead.downwards() {
                let reached = self.advance(diagonal, old, new);
                if is_odd && behind.has(diagonal) && self.get(false, diagonal) <= reached {
                    return Split::at(reached, diagonal, (true, true));
                }
            }
            self.widen(&mut behind, limits, false, isize::MAX);
            for diagonal in behind.downwards() {
                let reached = self.retreat(diagonal, old, new);
                if !is_odd && ahead.has(diagonal) && reached <= self.get(true, diagonal) {
                    return Split::at(reached, diagonal, (true, true));
                }
            }
            if !exact && cost >= self.patience {
                break;
            }
        }
        self.furthest(ahead, behind, old, new)
    }

    /// Goes one edit forward to a diagonal, and follows it while the lines agree.
    fn advance(&mut self, diagonal: isize, old: &Range<usize>, new: &Range<usize>) -> isize {
        let (left, right) = (self.get(true, diagonal - 1), self.get(true, diagonal + 1));
        let mut reached = if left >= right { left + 1 } else { right };
        while reached < signed(old.end)
            && reached - diagonal < signed(new.end)
            && self.agree(reached, reached - diagonal)
        {
            reached += 1;
        }
        self.set(true, diagonal, reached);
        reached
    }

    /// Goes one edit backward to a diagonal, and follows it while the lines agree.
    fn retreat(&mut self, diagonal: isize, old: &Range<usize>, new: &Range<usize>) -> isize {
        let (left, right) = (self.get(false, diagonal - 1), self.get(false, diagonal + 1));
        let mut reached = if left < right { left } else { right - 1 };
        while reached > signed(old.start)
            && reached - diagonal > signed(new.start)
            && self.agree(reached - 1, reached - diagonal - 1)
        {
            reached -= 1;
        }
        self.set(false, diagonal, reached);
        reached
    }

    /// The split at the furthest point that either direction has reached.
    fn furthest(&self, ahead: Band, behind: Band, old: &Range<usize>, new: &Range<usize>) -> Split {
        let within = |reached: isize, diagonal: isize| {
            let reached = reached.clamp(signed(old.start), signed(old.end));
            let other = (reached - diagonal).clamp(signed(new.start), signed(new.end));
            other + diagonal
        };
        let forward = ahead.downwards().map(|d| (within(self.get(true, d), d), d));
        let backward = behind.downwards().map(|d| (within(self.get(false, d), d), d));
        let sum = |&(reached, diagonal): &(isize, isize)| 2 * reached - diagonal;
        let first = forward.max_by_key(sum).unwrap_or((signed(old.start), 0));
        let last = backward.min_by_key(sum).unwrap_or((signed(old.end), 0));
        let (begin, end) = (signed(old.start + new.start), signed(old.end + new.end));
        if end - sum(&last) < sum(&first) - begin {
            Split::at(first.0, first.1, (true, false))
        } else {
            Split::at(last.0, last.1, (false, true))
        }
    }

    /// Adds one diagonal on each side. At the edge of the part it takes one away instead.
    fn widen(&mut self, band: &mut Band, limits: Band, ahead: bool, beyond: isize) {
        if band.low > limits.low {
            band.low -= 1;
            self.set(ahead, band.low - 1, beyond);
        } else {
            band.low += 1;
        }
        if band.high < limits.high {
            band.high += 1;
            self.set(ahead, band.high + 1, beyond);
        } else {
            band.high -= 1;
        }
    }

    fn agree(&self, old: isize, new: isize) -> bool {
        self.before[old.cast_unsigned()] == self.after[new.cast_unsigned()]
    }

    fn get(&self, ahead: bool, diagonal: isize) -> isize {
        let index = (diagonal + signed(self.after.len()) + 1).cast_unsigned();
        if ahead { self.forward[index] } else { self.backward[index] }
    }

    fn set(&mut self, ahead: bool, diagonal: isize, reached: isize) {
        let index = (diagonal + signed(self.after.len()) + 1).cast_unsigned();
        if ahead { self.forward[index] = reached } else { self.backward[index] = reached }
    }
}

impl Split {
    fn at(reached: isize, diagonal: isize, exact: (bool, bool)) -> Self {
        Split { old: reached.cast_unsigned(), new: (reached - diagonal).cast_unsigned(), exact }
    }
}

impl Band {
    fn has(self, diagonal: isize) -> bool {
        (self.low..=self.high).contains(&diagonal)
    }

    /// Every second diagonal, downwards. The others belong to the next cost.
    fn downwards(self) -> impl Iterator<Item = isize> {
        (self.low..=self.high).rev().step_by(2)
    }
}

fn signed(index: usize) -> isize {
    index.cast_signed()
}
