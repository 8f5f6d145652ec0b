//! Makes text harmless for a terminal: names of files and words of other machines may contain anything.

use std::borrow::Cow;
use std::fmt::Write;

/// The text in one line, with control characters as escapes. So it moves no cursor, sets no title, and looks like no other line.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(' '),
            '\0'..='\u{ff}' if is_harmful(c) => {
                // Writing to a text cannot fail.
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            c if is_harmful(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those that change the direction or the lines of text.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn text_cannot_control_a_terminal() {
        for (text, shown) in [
            ("plain: äöü — ok", "plain: äöü — ok"),
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
            ("one\r\nERROR: two", "one\\x0d ERROR: two"),
            ("\u{9b}2J\u{7f}", "\\x9b2J\\x7f"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
