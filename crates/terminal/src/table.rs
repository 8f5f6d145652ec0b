//! Tables for people: columns that are as wide as they must be.

use std::fmt::Write;

use crate::color::{self, Meaning};
use crate::harmless;

/// The rows as lines, with two spaces between the columns. A column that is empty in all rows is left out, with its heading. The last one is
/// not padded. Where standard output has colours, they are for it.
pub fn table(headings: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| harmless(cell).into_owned()).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let is_used =
        |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let used: Vec<usize> = (0..columns).filter(is_used).collect();
    let heading = headings.map(|headings| headings.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    let all: Vec<&Vec<String>> = heading.iter().filter(|_| !rows.is_empty()).chain(&rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let is_painted = color::is_wanted(&std::io::stdout());
    let mut text = String::new();
    for (number, row) in all.iter().enumerate() {
        let mut line = String::new();
        for &column in &used {
            let cell = row.get(column).map_or("", String::as_str);
            // Writing to a text cannot fail.
            let _ = write!(line, "{cell:width$}  ", width = width(column));
        }
        let line = line.trim_end();
        match number {
            _ if !is_painted => text.push_str(line),
            0 if headings.is_some() => text.push_str(&Meaning::Heading.paint(line)),
            _ => text.push_str(&color::line(line)),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_empty_ones_are_left_out() {
        let headings = ["LABEL", "NOTE", "SIZE"];
        let made = table(Some(&headings), &rows(&[&["a", "", "1"], &["längere", "", ""]]));
        assert_eq!(made, "LABEL    SIZE\na        1\nlängere\n");
        assert_eq!(table(None, &rows(&[&["a", "b"]])), "a  b\n");
        assert_eq!(table(Some(&headings), &[]), "");
        assert_eq!(table(None, &rows(&[&["a\u{1b}[0m\nb"]])), "a\\x1b[0m b\n");
    }
}
