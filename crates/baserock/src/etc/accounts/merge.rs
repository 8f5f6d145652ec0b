//! Merges one file of accounts by name.

use std::collections::BTreeSet;

use super::table::{Line, Record, Table};

/// The form of a file's records.
pub struct Form {
    /// Fields that are sets of names, separated by commas.
    pub sets: &'static [usize],
    /// The names of the fields, for notes.
    pub fields: &'static [&'static str],
}

/// The names that are not in the result.
pub struct Names {
    /// The removed names.
    pub gone: BTreeSet<Vec<u8>>,
}

/// The merged file: the machine's records in their order, then the records that the new version adds.
pub fn merge(
    v1: &Table,
    user: &Table,
    v2: &Table,
    form: &Form,
    names: &Names,
    notes: &mut Vec<String>,
) -> Table {
    let mut merged = Table::default();
    for line in &user.lines {
        match line {
            Line::Other(_) => merged.lines.push(line.clone()),
            Line::Record(record) if names.gone.contains(record.name()) => {}
            Line::Record(record) => {
                merged.lines.push(Line::Record(merge_record(v1, record, v2, form, notes)));
            }
        }
    }
    for line in &v2.lines {
        let is_new = match line {
            Line::Other(_) => !v1.lines.contains(line) && !user.lines.contains(line),
            Line::Record(record) => {
                let name = record.name();
                !names.gone.contains(name) && !user.has(name) && !v1.has(name)
            }
        };
        if is_new {
            merged.push(line.clone());
        }
    }
    merged
}

/// Takes removed names out of the sets of members.
pub fn forget_members(table: &mut Table, form: &Form, names: &Names) {
    for record in table.records_mut() {
        for &set in form.sets {
            let kept = members(record.field(set)).into_iter().filter(|name| !names.gone.contains(*name));
            let kept = kept.collect::<Vec<_>>().join(&b',');
            record.set(set, kept);
        }
    }
}

fn merge_record(v1: &Table, user: &Record, v2: &Table, form: &Form, notes: &mut Vec<String>) -> Record {
    let name = user.name();
    let Some(new) = v2.get(name) else { return user.clone() };
    let old = v1.get(name);
    let count = user.0.len().max(new.0.len());
    let fields = (0..count).map(|index| {
        let (old, own, new) = (old.map(|old| old.field(index)), user.field(index), new.field(index));
        if form.sets.contains(&index) {
            return union(old.unwrap_or(b""), own, new);
        }
        if old == Some(own) {
            return new.to_vec();
        }
        if own != new && old != Some(new) {
            let field = form.fields.get(index).copied().unwrap_or("field");
            notes.push(format!("{field} of {} is the one here", String::from_utf8_lossy(name)));
        }
        own.to_vec()
    });
    Record(fields.collect())
}

/// The machine's members, with those that the new version adds and without those that it drops.
fn union(old: &[u8], own: &[u8], new: &[u8]) -> Vec<u8> {
    let (old, own, new) = (members(old), members(own), members(new));
    let dropped = |name: &&[u8]| old.contains(name) && !new.contains(name);
    let kept = own.iter().copied().filter(|name| !dropped(name));
    let added = new.iter().copied().filter(|name| !old.contains(name) && !own.contains(name));
    kept.chain(added).collect::<Vec<_>>().join(&b',')
}

fn members(field: &[u8]) -> Vec<&[u8]> {
    field.split(|&b| b == b',').filter(|name| !name.is_empty()).collect()
}
