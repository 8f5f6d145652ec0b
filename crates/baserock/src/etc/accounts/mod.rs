//! Accounts: `passwd group shadow gshadow subuid subgid` as one unit.

mod merge;
mod numbers;
mod ranges;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use system::error::Result;

use self::merge::{Form, Names};
use self::table::Table;
use super::content::Content;
use super::path::EtcPath;
use super::tree::Tree;
use system::owners::IdMoves;

/// The files of the unit.
pub const FILES: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

const PASSWD: Form =
    Form { sets: &[], fields: &["name", "password", "number", "group", "comment", "home", "shell"] };
const GROUP: Form = Form { sets: &[3], fields: &["name", "password", "number", "members"] };
const SHADOW: Form = Form {
    sets: &[],
    fields: &[
        "name",
        "password",
        "last change",
        "minimum age",
        "maximum age",
        "warning",
        "inactivity",
        "expiry",
    ],
};
const GSHADOW: Form = Form { sets: &[2, 3], fields: &["name", "password", "administrators", "members"] };

/// The merged accounts.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The merged files; `None` for a file that is not to exist. Empty if one side changed nothing: then the files are merged like others.
    pub files: BTreeMap<EtcPath, Option<Content>>,
    /// Maps the old version's numbers, as built, to the machine's.
    pub v1_moves: IdMoves,
    /// Maps the new version's numbers, as built, to the machine's.
    pub v2_moves: IdMoves,
    /// The accounts that the new version and earlier ones dropped.
    pub dropped: Dropped,
    /// The decisions for each file, in words.
    pub notes: BTreeMap<EtcPath, Vec<String>>,
}

/// Accounts that versions dropped, with the numbers that they had on the machine. No other account gets such a number, because files in the
/// shared state may have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, u32>,
    /// Groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u32>,
}

impl Dropped {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Adds what the machine has and the result has not, and takes out what the result has.
    fn follow(&self, user: &Unit, result: [&Table; 2]) -> Self {
        let [passwd, group] = result;
        Dropped {
            users: numbers::dropped(&self.users, &user.passwd, passwd),
            groups: numbers::dropped(&self.groups, &user.group, group),
        }
    }
}

/// Whether the path is one of these files.
pub fn is_account_file(path: &EtcPath) -> bool {
    FILES.iter().any(|name| name.as_bytes() == path.as_bytes())
}

/// Merges the accounts. Returns `None` if the machine or the new version lacks `passwd`, or if one of the files is not a regular file.
/// `dropped` has the accounts that earlier versions dropped.
pub fn merge(v1: &Tree, user: &Tree, v2: &Tree, dropped: &Dropped) -> Result<Option<Accounts>> {
    let has_unit = |tree: &Tree| tree.content(&EtcPath::from(FILES[0])).is_some();
    let clean = |tree: &Tree| {
        FILES.iter().all(|name| tree.get(&EtcPath::from(*name)).is_none_or(|n| n.content().is_some()))
    };
    if !has_unit(user) || !has_unit(v2) || ![v1, user, v2].into_iter().all(clean) {
        return Ok(None);
    }
    let (v1, user, v2) = (Unit::read(v1)?, Unit::read(user)?, Unit::read(v2)?);
    Ok(Some(merge_units(v1, &user, v2, dropped)))
}

fn merge_units(mut v1: Unit, user: &Unit, mut v2: Unit, dropped: &Dropped) -> Accounts {
    let back = v1.needed_groups(user, &v2);
    // Without them in the old version, they are new.
    v1.group.remove(&back);
    v1.gshadow.remove(&back);
    let users = numbers::settle(&v1.passwd, &user.passwd, &v2.passwd, &dropped.users, "user");
    let groups = numbers::settle(&v1.group, &user.group, &v2.group, &dropped.groups, "group");
    let mut accounts = Accounts {
        v1_moves: IdMoves { users: users.of_v1, groups: groups.of_v1 },
        v2_moves: IdMoves { users: users.of_v2, groups: groups.of_v2 },
        ..Accounts::default()
    };
    let follows = back.is_empty() && v1.same_texts(user) && accounts.v2_moves.is_empty();
    if follows || v1.same_texts(&v2) {
        let result = if follows { &v2 } else { user };
        accounts.dropped = dropped.follow(user, [&result.passwd, &result.group]);
        return accounts;
    }
    v1.renumber(&accounts.v1_moves);
    v2.renumber(&accounts.v2_moves);
    if !v2.present[1] {
        // A version without the file does not drop each of the groups.
        v2.group = v1.group.clone();
    }
    let mut notes = [users.notes, groups.notes, Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    let merged = v1.merge(user, &v2, &mut notes);
    for name in &back {
        notes[1].push(format!("group {} is back: a new user needs it", String::from_utf8_lossy(name)));
    }
    for (name, notes) in FILES.iter().zip(notes) {
        accounts.notes.insert(EtcPath::from(*name), notes);
    }
    accounts.dropped = dropped.follow(user, [&merged.passwd, &merged.group]);
    accounts.with_files(user, &v2, &merged)
}

impl Accounts {
    /// Adds the merged files. A file exists if the machine has it, or if the new version brings it and the user has not removed it.
    fn with_files(mut self, user: &Unit, v2: &Unit, merged: &Unit) -> Self {
        for (index, name) in FILES.iter().enumerate() {
            let is_there = user.present[index] || (v2.present[index] && !merged.dropped[index]);
            let content = is_there.then(|| Content::from(merged.tables()[index].render()));
            self.files.insert(EtcPath::from(*name), content);
        }
        self
    }
}

/// The six files of one tree.
#[derive(Clone, Debug, Default)]
struct Unit {
    passwd: Table,
    group: Table,
    shadow: Table,
    gshadow: Table,
    subuid: Table,
    subgid: Table,
    /// Whether each file exists.
    present: [bool; 6],
    /// Whether the user removed each file.
    dropped: [bool; 6],
}

impl Unit {
    fn read(tree: &Tree) -> Result<Self> {
        let mut unit = Unit::default();
        for (index, name) in FILES.iter().enumerate() {
            if let Some(content) = tree.content(&EtcPath::from(*name)) {
                unit.present[index] = true;
                *unit.tables_mut()[index] = Table::parse(&content.bytes()?);
            }
        }
        Ok(unit)
    }

    fn tables(&self) -> [&Table; 6] {
        [&self.passwd, &self.group, &self.shadow, &self.gshadow, &self.subuid, &self.subgid]
    }

    fn tables_mut(&mut self) -> [&mut Table; 6] {
        [
            &mut self.passwd,
            &mut self.group,
            &mut self.shadow,
            &mut self.gshadow,
            &mut self.subuid,
            &mut self.subgid,
        ]
    }

    fn same_texts(&self, other: &Unit) -> bool {
        self.present == other.present && self.tables() == other.tables()
    }

    /// The groups that somebody removed here, but that users need as primary groups whom the new version adds or puts into them.
    fn needed_groups(&self, user: &Unit, v2: &Unit) -> BTreeSet<Vec<u8>> {
        const GROUP: usize = 3;
        let joins = |record: &&table::Record| {
            let (old, own) = (self.passwd.get(record.name()), user.passwd.get(record.name()));
            let [old_group, own_group] = [old, own].map(|record| record.map(|record| record.field(GROUP)));
            old_group == own_group && old_group != Some(record.field(GROUP))
        };
        let numbers: BTreeSet<_> =
            v2.passwd.records().filter(joins).filter_map(|record| record.number(GROUP)).collect();
        let is_needed = |record: &&table::Record| record.number(2).is_some_and(|gid| numbers.contains(&gid));
        let names = v2.group.records().filter(is_needed).map(table::Record::name);
        names.filter(|name| self.group.has(name) && !user.group.has(name)).map(<[u8]>::to_vec).collect()
    }

    /// Writes the machine's numbers into the records.
    fn renumber(&mut self, moves: &IdMoves) {
        let text = |number: u32| number.to_string().into_bytes();
        for record in self.passwd.records_mut() {
            if let (Some(uid), Some(gid)) = (record.number(2), record.number(3)) {
                record.set(2, text(moves.user(uid)));
                record.set(3, text(moves.group(gid)));
            }
        }
        for record in self.group.records_mut() {
            if let Some(gid) = record.number(2) {
                record.set(2, text(moves.group(gid)));
            }
        }
    }

    /// Merges both sides. `self` is their common base.
    fn merge(&self, user: &Unit, v2: &Unit, notes: &mut [Vec<String>; 6]) -> Unit {
        let users = Names { gone: self.gone_users(user, v2) };
        let mut groups = Names { gone: self.gone_groups(user, v2) };
        note_names("user", &self.passwd, &user.passwd, &v2.passwd, &users, &mut notes[0]);
        let merge = |get: fn(&Unit) -> &Table, form: &Form, names: &Names, notes: &mut Vec<String>| {
            merge::merge(get(self), get(user), get(v2), form, names, notes)
        };
        let passwd = merge(|unit| &unit.passwd, &PASSWD, &users, &mut notes[0]);
        let in_use: BTreeSet<_> = passwd.records().filter_map(|record| record.number(3)).collect();
        groups.gone.retain(|name| {
            let number = user.group.get(name).and_then(|record| record.number(2));
            !number.is_some_and(|number| in_use.contains(&number))
        });
        note_names("group", &self.group, &user.group, &v2.group, &groups, &mut notes[1]);
        let members = |get: fn(&Unit) -> &Table, form: &Form, notes: &mut Vec<String>| {
            let mut table = merge::merge(get(self), get(user), get(v2), form, &groups, notes);
            merge::forget_members(&mut table, form, &users);
            table
        };
        Unit {
            group: members(|unit| &unit.group, &GROUP, &mut notes[1]),
            shadow: merge(|unit| &unit.shadow, &SHADOW, &users, &mut notes[2]),
            gshadow: members(|unit| &unit.gshadow, &GSHADOW, &mut notes[3]),
            subuid: ranges::merge(&self.subuid, &user.subuid, &v2.subuid, &users, &mut notes[4]),
            subgid: ranges::merge(&self.subgid, &user.subgid, &v2.subgid, &users, &mut notes[5]),
            passwd,
            present: user.present,
            dropped: std::array::from_fn(|index| self.present[index] && !user.present[index]),
        }
    }

    /// The users that are removed: all that the machine removed, and those that the new version drops and the machine did not change.
    fn gone_users(&self, user: &Unit, v2: &Unit) -> BTreeSet<Vec<u8>> {
        let untouched = |name: &[u8]| {
            self.passwd.get(name) == user.passwd.get(name)
                && self.shadow.get(name) == user.shadow.get(name)
                && self.subuid.all(name) == user.subuid.all(name)
                && self.subgid.all(name) == user.subgid.all(name)
        };
        gone(&self.passwd, &user.passwd, &v2.passwd, untouched)
    }

    fn gone_groups(&self, user: &Unit, v2: &Unit) -> BTreeSet<Vec<u8>> {
        let untouched = |name: &[u8]| {
            self.group.get(name) == user.group.get(name) && self.gshadow.get(name) == user.gshadow.get(name)
        };
        gone(&self.group, &user.group, &v2.group, untouched)
    }
}

fn gone(v1: &Table, user: &Table, v2: &Table, untouched: impl Fn(&[u8]) -> bool) -> BTreeSet<Vec<u8>> {
    let names = v1.records().map(table::Record::name);
    let gone = names.filter(|name| !user.has(name) || (!v2.has(name) && untouched(name)));
    gone.map(<[u8]>::to_vec).collect()
}

fn note_names(what: &str, v1: &Table, user: &Table, v2: &Table, names: &Names, notes: &mut Vec<String>) {
    let mut note = |table: &Table, text: &str, is_meant: &dyn Fn(&[u8]) -> bool| {
        let meant = table.records().map(table::Record::name).filter(|name| is_meant(name));
        let meant: Vec<_> = meant.map(String::from_utf8_lossy).collect();
        if !meant.is_empty() {
            notes.push(format!("{what} {}: {text}", meant.join(" ")));
        }
    };
    let is_gone = |name: &[u8]| names.gone.contains(name);
    note(v2, "new", &|name| !user.has(name) && !v1.has(name));
    note(v1, "stays removed", &|name| !user.has(name) && v2.has(name));
    note(v1, "dropped by the new version", &|name| user.has(name) && is_gone(name));
    note(v1, "stays though the new version dropped it", &|name| {
        user.has(name) && !v2.has(name) && !is_gone(name)
    });
}

#[cfg(test)]
mod tests;
