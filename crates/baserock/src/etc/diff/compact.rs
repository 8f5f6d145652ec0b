//! Placing changes that could stand in several places: together with a change of the other text, else as far down as they go.

use super::Text;

/// The changed lines between two unchanged ones; there may be none.
#[derive(Clone, Copy)]
struct Gap {
    start: usize,
    end: usize,
}

/// Places the changes of `text`. The gaps of both texts correspond, one to one: unchanged lines are the same in both.
pub fn compact(text: &mut Text, other: &mut Text) {
    let (mut gap, mut opposite) = (Gap::first(text), Gap::first(other));
    loop {
        if !gap.is_empty() {
            place(text, &mut gap, other, &mut opposite);
        }
        if !gap.next(text) || !opposite.next(other) {
            return;
        }
    }
}

fn place(text: &mut Text, gap: &mut Gap, other: &Text, opposite: &mut Gap) {
    let (highest, meets) = loop {
        let size = gap.end - gap.start;
        while gap.slide_up(text) {
            opposite.previous(other);
        }
        let highest = gap.end;
        let mut meets = !opposite.is_empty();
        while gap.slide_down(text) {
            opposite.next(other);
            meets |= !opposite.is_empty();
        }
        // What it ran into is part of it now, and the whole may slide further.
        if gap.end - gap.start == size {
            break (highest, meets);
        }
    };
    if gap.end == highest || !meets {
        return;
    }
    while opposite.is_empty() && gap.slide_up(text) {
        opposite.previous(other);
    }
}

impl Gap {
    fn first(text: &Text) -> Self {
        let mut gap = Gap { start: 0, end: 0 };
        gap.extend_down(text);
        gap
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn next(&mut self, text: &Text) -> bool {
        if self.end == text.lines.len() {
            return false;
        }
        (self.start, self.end) = (self.end + 1, self.end + 1);
        self.extend_down(text);
        true
    }

    fn previous(&mut self, text: &Text) {
        if self.start > 0 {
            (self.start, self.end) = (self.start - 1, self.start - 1);
            self.extend_up(text);
        }
    }

    /// The line above the gap becomes changed and its last one unchanged, where both say the same.
    fn slide_up(&mut self, text: &mut Text) -> bool {
        if self.start == 0 || text.lines[self.start - 1] != text.lines[self.end - 1] {
            return false;
        }
        (self.start, self.end) = (self.start - 1, self.end - 1);
        text.changed[self.start] = true;
        text.changed[self.end] = false;
        self.extend_up(text);
        true
    }

    /// The line below the gap becomes changed and its first one unchanged, where both say the same.
    fn slide_down(&mut self, text: &mut Text) -> bool {
        if self.end == text.lines.len() || text.lines[self.start] != text.lines[self.end] {
            return false;
        }
        text.changed[self.start] = false;
        text.changed[self.end] = true;
        (self.start, self.end) = (self.start + 1, self.end + 1);
        self.extend_down(text);
        true
    }

    fn extend_down(&mut self, text: &Text) {
        self.end += text.changed[self.end..].iter().take_while(|&&is| is).count();
    }

    fn extend_up(&mut self, text: &Text) {
        self.start -= text.changed[..self.start].iter().rev().take_while(|&&is| is).count();
    }
}
