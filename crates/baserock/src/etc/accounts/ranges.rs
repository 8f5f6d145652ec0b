//! Merges `subuid` and `subgid`: ranges of numbers by name.

use super::merge::Names;
use super::table::{Line, Record, Table};

/// The merged file: the machine's ranges, then the ranges of new names. A new range moves if it would overlap another.
pub fn merge(v1: &Table, user: &Table, v2: &Table, names: &Names, notes: &mut Vec<String>) -> Table {
    let mut merged = user.clone();
    merged.remove(&names.gone);
    let is_new = |name: &[u8]| !user.has(name) && !v1.has(name) && !names.gone.contains(name);
    for record in v2.records().filter(|record| is_new(record.name())) {
        let mut record = record.clone();
        let others: Vec<_> = merged.records().filter_map(range).collect();
        let clashes = range(&record).is_some_and(|own| others.iter().any(|&other| overlap(own, other)));
        if let Some(free) =
            others.iter().map(|(start, count)| start.saturating_add(*count)).max().filter(|_| clashes)
        {
            notes.push(format!("range of {} starts at {free}", String::from_utf8_lossy(record.name())));
            record.set(1, free.to_string().into_bytes());
        }
        merged.push(Line::Record(record));
    }
    merged
}

fn range(record: &Record) -> Option<(u32, u32)> {
    record.number(1).zip(record.number(2))
}

fn overlap(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0 < b.0.saturating_add(b.1) && b.0 < a.0.saturating_add(a.1)
}
