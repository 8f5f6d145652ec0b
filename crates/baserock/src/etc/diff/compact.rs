//! Places changes that could stand in several places: beside a change of the other text, or else as far down as possible.

use super::Text;

/// The changed lines between two unchanged ones. There may be none.
#[derive(Clone, Copy)]
struct Gap {
    start: usize,
    end: usize,
}

/// Places the changes of `text`. Each gap of one text corresponds to one gap of the other, because unchanged lines are the same in both.
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
        // If the gap has met another one, both are one gap now, and that may slide further.
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

    /// If the line above the gap equals its last line, marks the former as changed and the latter as unchanged.
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

    /// If the line below the gap equals its first line, marks the former as changed and the latter as unchanged.
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
