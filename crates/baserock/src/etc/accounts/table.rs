//! A file of accounts as records: `passwd`, `group` and similar files.

use std::collections::BTreeSet;

/// A file of lines with fields between colons. Other lines (comments, NIS) are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The lines in their order.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Fields, the name first.
    Record(Record),
    /// Anything else.
    Other(Vec<u8>),
}

/// The fields of a line, the name first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub Vec<Vec<u8>>);

impl Record {
    /// The name, which is the key.
    pub fn name(&self) -> &[u8] {
        self.field(0)
    }

    /// A field by its index; a missing one is empty.
    pub fn field(&self, index: usize) -> &[u8] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }

    /// A field as a number; `None` if it is no number.
    pub fn number(&self, index: usize) -> Option<u32> {
        std::str::from_utf8(self.field(index)).ok()?.parse().ok()
    }

    /// Changes a field if it exists.
    pub fn set(&mut self, index: usize, value: Vec<u8>) {
        if let Some(field) = self.0.get_mut(index) {
            *field = value;
        }
    }
}

impl Table {
    /// Reads a file.
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Table::default();
        }
        Table { lines: text.split(|&b| b == b'\n').map(parse_line).collect() }
    }

    /// The file as text.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in &self.lines {
            match line {
                Line::Record(record) => text.extend(record.0.join(&b':')),
                Line::Other(other) => text.extend(other),
            }
            text.push(b'\n');
        }
        text
    }

    /// The records in their order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.lines.iter().filter_map(|line| match line {
            Line::Record(record) => Some(record),
            Line::Other(_) => None,
        })
    }

    /// All records, to change.
    pub fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.lines.iter_mut().filter_map(|line| match line {
            Line::Record(record) => Some(record),
            Line::Other(_) => None,
        })
    }

    /// The first record with this name. Only the first one counts.
    pub fn get(&self, name: &[u8]) -> Option<&Record> {
        self.records().find(|record| record.name() == name)
    }

    /// All records with this name (`subuid` may have several).
    pub fn all(&self, name: &[u8]) -> Vec<&Record> {
        self.records().filter(|record| record.name() == name).collect()
    }

    /// Whether there is a record with this name.
    pub fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Removes the records with these names.
    pub fn remove(&mut self, names: &BTreeSet<Vec<u8>>) {
        self.lines.retain(|line| !matches!(line, Line::Record(record) if names.contains(record.name())));
    }

    /// Adds a line at the end, but before the NIS lines, which must stay last.
    pub fn push(&mut self, line: Line) {
        let is_nis = |line: &Line| matches!(line, Line::Other(text) if text.starts_with(b"+") || text.starts_with(b"-"));
        let end = self.lines.iter().rposition(|line| !is_nis(line)).map_or(0, |last| last + 1);
        self.lines.insert(end, line);
    }
}

fn parse_line(line: &[u8]) -> Line {
    let is_record = line.contains(&b':') && !matches!(line[0], b':' | b'#' | b'+' | b'-');
    if is_record {
        Line::Record(Record(line.split(|&b| b == b':').map(<[u8]>::to_vec).collect()))
    } else {
        Line::Other(line.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_and_renders_the_same() {
        let text = b"# c\nroot:x:0:0:root:/root:/bin/sh\n\nbad line\n+::::::\n";
        let table = Table::parse(text);
        assert_eq!(table.render(), text);
        assert_eq!(table.get(b"root").unwrap().number(2), Some(0));
        assert_eq!(table.records().count(), 1);
        assert_eq!(Table::parse(b""), Table::default());
    }

    #[test]
    fn new_lines_stand_before_the_nis_lines() {
        let mut table = Table::parse(b"a:1\n+@x::\n");
        table.push(Line::Other(b"b".to_vec()));
        assert_eq!(table.render(), b"a:1\nb\n+@x::\n");
    }
}
